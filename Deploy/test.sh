#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, checks the form, builds Tessera and runs all its tests, in the release configuration: C is
# compiled without optimisation in the other, and numbers are compared here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    echo "== $* =="
}

Deploy/install.sh

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

step "A package that depends on this one"
Tests/dependent.sh

echo "All tests passed."
