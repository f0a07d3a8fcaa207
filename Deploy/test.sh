#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, checks the form, builds Tessera and runs all its tests, in the release configuration: C is
# compiled without optimisation in the other, and numbers are compared here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    echo "== $* =="
}

# Beside what is built on: clients of other languages, and what checks the rules for Prometheus.
Deploy/install.sh python3-venv curl ca-certificates

step "Form"
swift format lint --strict --parallel --recursive Sources Tests Package.swift

# One build serves the tool and the tests: with testing enabled, the products differ only in that symbols are kept.
step "Build"
swift build --configuration release -Xswiftc -enable-testing --build-tests

step "Tests"
swift test --configuration release -Xswiftc -enable-testing --disable-xctest --skip-build

step "A store under kills and power cuts"
swift run --configuration release -Xswiftc -enable-testing --skip-build StoreStress --kills 25

step "A store at its cap, worked on by many threads"
swift run --configuration release -Xswiftc -enable-testing --skip-build StoreStress hammer --seconds 28 --policy all

step "Clients of the sidecar"
clients=.build/clients
[[ -x $clients/bin/python ]] || python3 -m venv "$clients"
"$clients/bin/pip" install --quiet --disable-pip-version-check --requirement Tests/Clients/requirements.txt
export TESSERA=.build/release/tessera
"$clients/bin/python" -m pytest --quiet -p no:cacheprovider Tests/Clients
"$clients/bin/python" Tests/Clients/soak.py --seconds 60

step "Rules for Prometheus"
tools=.build/tools
if [[ ! -x $tools/usr/bin/promtool ]]; then
    # Unpacked and not installed: nobody wants a service that starts for a test.
    mkdir -p "$tools"
    (cd "$tools" && apt-get download -qq prometheus && dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb)
fi
"$tools/usr/bin/promtool" check rules Deploy/alerts.yml
"$tools/usr/bin/promtool" test rules Deploy/alerts_test.yml

step "A package that depends on this one"
Tests/dependent.sh

echo "All tests passed."
