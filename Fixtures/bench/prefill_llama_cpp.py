# SPDX-License-Identifier: Apache-2.0
"""Prints the rate at which llama.cpp prefills a prompt of random ids, in tokens per second.

    pip install llama-cpp-python==0.3.36
    python prefill_llama_cpp.py MODEL.gguf TOKENS [THREADS]

It is the yardstick of `tessera bench engine --reference`, and no part of Tessera.
"""

import os
import random
import sys
import time

from llama_cpp import Llama

path, count = sys.argv[1], int(sys.argv[2])
threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
model = Llama(path, n_ctx=count + 8, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
prompt = random.Random(11).choices(range(2, model.n_vocab()), k=count)
model.eval(prompt[:32])  # the first call touches the weights
model.reset()
start = time.perf_counter()
model.eval(prompt)
print(count / (time.perf_counter() - start))
