// SPDX-License-Identifier: Apache-2.0

internal import CXXHash

extension ObjectKey {
    /// The key of an object that is named by bytes: their XXH3. Two of a million names share one with a probability of 3 in
    /// 100 million.
    init(hashing name: ArraySlice<UInt8>) {
        self.init(name.withUnsafeBytes { tessera_xxh3_64($0.baseAddress, $0.count, 0) })
    }
}
