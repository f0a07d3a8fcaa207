# SPDX-License-Identifier: Apache-2.0

import sys

import httpx
from openai import OpenAI

client = OpenAI(
    base_url="http://tessera/v1", api_key="unused",
    http_client=httpx.Client(transport=httpx.HTTPTransport(uds=sys.argv[1])))
model = client.models.list().data[0].id
answer = client.chat.completions.create(
    model=model, temperature=0, max_tokens=24,
    messages=[{"role": "user", "content": "Who is the director of the Velstone yard?"}],
    extra_body={
        "documents": ["The director of the Velstone yard is Hanas Stenden.\n\n"],
        "tessera": {"assembly": "stitched", "selector": "deviation", "ungated": True}})
print(answer.choices[0].message.content)
print(answer.tessera["reused_tokens"], "tokens reused")
