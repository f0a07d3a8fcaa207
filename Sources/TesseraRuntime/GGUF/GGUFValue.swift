// SPDX-License-Identifier: Apache-2.0

/// One value of a GGUF file's metadata, in the type that the file gives it.
public enum GGUFValue: Sendable, Hashable {
    /// An unsigned 8-bit number.
    case uint8(UInt8)
    /// A signed 8-bit number.
    case int8(Int8)
    /// An unsigned 16-bit number.
    case uint16(UInt16)
    /// A signed 16-bit number.
    case int16(Int16)
    /// An unsigned 32-bit number.
    case uint32(UInt32)
    /// A signed 32-bit number.
    case int32(Int32)
    /// An IEEE 754 number of 32 bits.
    case float32(Float)
    /// A truth value.
    case bool(Bool)
    /// A text.
    case string(String)
    /// A list whose elements are all of one type.
    case array([GGUFValue])
    /// An unsigned 64-bit number.
    case uint64(UInt64)
    /// A signed 64-bit number.
    case int64(Int64)
    /// An IEEE 754 number of 64 bits.
    case float64(Double)

    /// The whole number held, of whatever width; nil for other kinds and for numbers beyond `Int`.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        default: nil
        }
    }

    /// The floating-point number held, of either width; nil for other kinds.
    public var number: Double? {
        switch self {
        case .float32(let value): Double(value)
        case .float64(let value): value
        default: nil
        }
    }

    /// The text held; nil for other kinds.
    public var text: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The truth value held; nil for other kinds.
    public var truth: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The elements of the list held; nil for other kinds.
    public var elements: [GGUFValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The type in the format's own words.
    var kind: GGUFValueKind {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string: .string
        case .array: .array
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }
}

/// The types of metadata values, by their codes in the file.
enum GGUFValueKind: UInt32 {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// The fewest bytes that a value of this type takes in the file.
    var leastByteCount: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }
}
