// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// The records of one fingerprint in one namespace.
package struct RecordScope: Sendable, Hashable {
    /// The digest of the fingerprint.
    package var fingerprint: Digest256
    /// The tenant scope.
    package var namespace: String

    /// Names records.
    package init(fingerprint: Digest256, namespace: String) {
        (self.fingerprint, self.namespace) = (fingerprint, namespace)
    }
}
