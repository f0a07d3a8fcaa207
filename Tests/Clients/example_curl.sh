#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
socket="$1"

curl -sS --unix-socket "$socket" http://tessera/v1/warm --json \
    '{"documents": [{"id": "yard", "text": "The director of the Velstone yard is Hanas Stenden."}]}'
curl -sSN --unix-socket "$socket" http://tessera/v1/chat/completions --json \
    '{"stream": true, "max_tokens": 24, "temperature": 0,
      "messages": [{"role": "user", "content": "Who is the director of the Velstone yard?"}],
      "documents": ["The director of the Velstone yard is Hanas Stenden.\n\n"],
      "tessera": {"assembly": "stitched", "selector": "deviation", "ungated": true}}'
