// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Canonical composition (NFC, Unicode Standard Annex 15) in time that is linear in the text.
///
/// Foundation's own takes quadratic time over long texts with combining marks and loses characters of long runs of
/// them. It is asked here for no more than the mapping of single characters and pairs, each once.
struct CanonicalComposition {
    private var decompositions: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    private var compositions: [UInt64: Unicode.Scalar?] = [:]

    /// The composed form of a text; nil where it is composed already.
    mutating func composed(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        // Below U+0300 nothing joins and nothing changes.
        guard text.contains(where: { $0 >= 0xCC }) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var segment: [Unicode.Scalar] = []
        var changes = false
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let composition = CharacterClass.of(scalar).composition
            if composition != .joining {
                append(&segment, to: &result, changes)
                changes = false
            }
            if composition == .inert {
                result += UTF8.encode(scalar) ?? .init()
            } else {
                segment.append(scalar)
                changes = changes || composition == .joining
            }
        }
        append(&segment, to: &result, changes)
        return result
    }

    /// Composes a segment: a base and the characters that may join with it.
    private mutating func append(_ segment: inout [Unicode.Scalar], to result: inout [UInt8], _ changes: Bool) {
        if changes { segment = composed(ordered(segment.flatMap { decomposition(of: $0) })) }
        for scalar in segment { result += UTF8.encode(scalar) ?? .init() }
        segment.removeAll(keepingCapacity: true)
    }

    /// The canonical order: within each run of marks by combining class, equal ones as they were.
    private func ordered(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var marks: [Unicode.Scalar] = []
        for scalar in scalars {
            if combiningClass(scalar) == 0 {
                result += marks.sorted { combiningClass($0) < combiningClass($1) }
                marks.removeAll(keepingCapacity: true)
                result.append(scalar)
            } else {
                marks.append(scalar)
            }
        }
        return result + marks.sorted { combiningClass($0) < combiningClass($1) }
    }

    /// Joins each character to the last base, unless another that stands between blocks it.
    private mutating func composed(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var base: Int?
        for scalar in scalars {
            let own = combiningClass(scalar)
            if let place = base, case let last = result.count - 1,
                last == place || combiningClass(result[last]) < own, let joined = composition(of: result[place], scalar)
            {
                result[place] = joined
                continue
            }
            result.append(scalar)
            if own == 0 { base = result.count - 1 }
        }
        return result
    }

    private func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
        scalar.properties.canonicalCombiningClass.rawValue
    }

    private mutating func decomposition(of scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        if let known = decompositions[scalar] { return known }
        let found = Array(String(Character(scalar)).decomposedStringWithCanonicalMapping.unicodeScalars)
        decompositions[scalar] = found
        return found
    }

    private mutating func composition(of first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        let key = UInt64(first.value) << 32 | UInt64(second.value)
        if let known = compositions[key] { return known }
        // Of a composed character and one more (Hangul, Kannada) Foundation makes nothing; of all the parts it does.
        let parts = String.UnicodeScalarView(decomposition(of: first) + [second])
        let joined = String(parts).precomposedStringWithCanonicalMapping.unicodeScalars
        let found = joined.count == 1 ? joined.first : nil
        compositions[key] = .some(found)
        return found
    }
}
