#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a package that depends on this one by a version tag, as a user's package does. A root package may use unsafe
# flags freely, so that only a dependent shows whether they stand in the way.
#
# It builds what is committed, in the debug configuration: SwiftPM looks at the flags in either, and this is the quicker
# one. Build products are kept in .build/dependent, so that later runs compile what changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$PWD"
work="$root/.build/dependent"

# The README's example of the library is the file that is compiled here.
diff <(awk '/^## / { section = $0 } /^```$/ { inside = 0 } inside; /^```swift$/ { inside = section == "## The library" }' README.md) Tests/Dependent/main.swift ||
    { echo "dependent.sh: the README's example and Tests/Dependent/main.swift differ" >&2; exit 1; }

if [[ -n "$(git status --porcelain -- Package.swift Sources Tests/Dependent)" ]]; then
    echo "dependent.sh: changes that are not committed are left out" >&2
fi

mkdir -p "$work/Sources/App"
# The clone has the package's name, which is its identity. A tag of its own for each run, because SwiftPM remembers what
# a tag stood for and refuses one that moved.
rm -rf "$work/tessera"
git clone --quiet "$root" "$work/tessera"
git -C "$work/tessera" tag "1.0.$(date +%s)"
cp Tests/Dependent/main.swift "$work/Sources/App/main.swift"
cat >"$work/Package.swift" <<MANIFEST
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "App",
    dependencies: [.package(url: "file://$work/tessera", from: "1.0.0")],
    targets: [
        .executableTarget(name: "App", dependencies: [.product(name: "Tessera", package: "tessera")])
    ]
)
MANIFEST

swift package --package-path "$work" update tessera
swift build --package-path "$work"
