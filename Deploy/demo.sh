#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, builds Tessera and shows it at work on the fixture model and its reports.
# Arguments go to `tessera demo`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

Deploy/install.sh
swift build --configuration release --product tessera
exec "$(swift build --configuration release --show-bin-path)/tessera" demo "$@"
