// SPDX-License-Identifier: Apache-2.0

internal import TesseraEviction
internal import TesseraKV

/// One thing that happens to a cache.
public enum CacheStep: Sendable, Equatable, CustomStringConvertible {
    /// An object is asked for.
    case request(Int, bytes: Int)
    /// An object is pinned.
    case pin(Int)
    /// A pin is taken off.
    case unpin(Int)
    /// Somebody begins to read an object.
    case lease(Int)
    /// Somebody has read an object.
    case release(Int)
    /// Somebody removes an object.
    case remove(Int)
    /// The capacity changes.
    case resize(Int)

    /// The step in a word or two.
    public var description: String {
        switch self {
        case .request(let object, let bytes): "request \(object) (\(bytes) bytes)"
        case .pin(let object): "pin \(object)"
        case .unpin(let object): "unpin \(object)"
        case .lease(let object): "lease \(object)"
        case .release(let object): "release \(object)"
        case .remove(let object): "remove \(object)"
        case .resize(let capacity): "resize to \(capacity)"
        }
    }

    /// Steps by chance: mostly requests, some objects much more popular than others.
    static func random(_ count: Int, capacity: Int, objects: Int, _ random: inout SplitMix64) -> [CacheStep] {
        (0..<count).map { _ in
            // The square makes low numbers popular.
            let chance = Double(random.next() >> 11) * 0x1p-53
            let object = Int(chance * chance * Double(objects))
            switch random.next() % 32 {
            case 0: return .pin(object)
            case 1, 2: return .unpin(object)
            case 3: return .lease(object)
            case 4, 5: return .release(object)
            case 6: return .remove(object)
            case 7:
                return random.next() % 8 == 0 ? .resize(Int(random.next() % UInt64(2 * capacity + 1))) : .unpin(object)
            default: return .request(object, bytes: size(of: object, capacity))
            }
        }
    }

    /// An object's size, always the same: most are small, one in eight takes up to half of the capacity and one in thirty-two
    /// more than all of it.
    private static func size(of object: Int, _ capacity: Int) -> Int {
        var random = SplitMix64(seed: UInt64(object))
        let kind = random.next() % 32
        let limit = kind == 0 ? 2 * capacity : kind < 5 ? capacity / 2 : capacity / 10
        return 1 + Int(random.next() % UInt64(max(1, limit)))
    }
}
