// SPDX-License-Identifier: Apache-2.0

/// Which of the two a number belongs to.
public enum KVPart: Int, Sendable, CaseIterable {
    /// Keys before RoPE.
    case keys
    /// Values.
    case values
}
