# SPDX-License-Identifier: Apache-2.0
"""Writes rag-mini.json: the ids that the fixture model's own tokenizer gives for every fifth string of goldens.json.

    .venv/bin/python Fixtures/tokenizers/rag_mini.py [TOKENIZER.json]

To be run after make.py, and again whenever the model's tokenizer was trained anew. The environment is make.py's.
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "models" / "rag-mini.tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    strings = json.loads((HERE / "goldens.json").read_text())["strings"][::5]
    plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in strings]
    (HERE / "rag-mini.json").write_text(json.dumps(plain, separators=(",", ":")) + "\n")
    print(f"{len(strings)} strings, {sum(map(len, plain))} ids")


if __name__ == "__main__":
    main()
