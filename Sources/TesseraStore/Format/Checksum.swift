// SPDX-License-Identifier: Apache-2.0

internal import CXXHash

/// XXH3-64 of `bytes`: what each header and each layer record is verified by.
func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    tessera_xxh3_64(bytes.baseAddress, bytes.count, seed)
}
