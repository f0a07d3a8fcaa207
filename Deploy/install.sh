#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that Tessera is built on, and any that are named. Does nothing, and says nothing, where all
# are there.
set -euo pipefail

packages=(
    pkg-config      # tells the compiler where the libraries are
    librocksdb-dev  # the store of keys and values
    libsqlite3-dev  # the catalog and the text index
    libdnnl-dev     # oneDNN: matrix products in BF16
    libopenblas-dev # matrix products in fp32
    libxxhash-dev   # checksums of records
    libzstd-dev     # compression of stored keys and values
    libxml2-dev     # text of HTML documents
    libicu-dev      # borders of sentences
    libcmark-dev    # text of Markdown documents
    libpng-dev      # screenshots
    libsystemd-dev  # readiness, watchdog and sockets of systemd
    libacl1-dev     # who may read a lease's file
    "$@"
)

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

is_installed() {
    [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

command -v apt-get >/dev/null ||
    fail "there is no apt here; install these packages' counterparts by hand: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

if ((${#missing[@]} > 0)); then
    as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "root is needed to install ${missing[*]}; run this as root"
        as_root=(sudo)
    fi
    echo "Installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt-get could not install ${missing[*]}"
fi

command -v swift >/dev/null || fail "Swift is missing; install 6.2 or later from https://www.swift.org/install/linux/"
version="$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)"
read -r major minor <<<"${version:-0 0}"
((major > 6 || (major == 6 && minor >= 2))) ||
    fail "Swift $major.$minor is too old; install 6.2 or later from https://www.swift.org/install/linux/"
