// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A value in a Jinja template: the part of Python's data model that chat templates use.
enum JinjaValue: Sendable {
    case undefined
    case none
    case bool(Bool)
    case int(Int)
    case string(String)
    case list(JinjaList)
    case dictionary(JinjaDictionary)
    case namespace(JinjaNamespace)
    case function(String)

    /// What a value counts as in a condition.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let value): !value.items.isEmpty
        case .dictionary(let value): !value.entries.isEmpty
        case .namespace, .function: true
        }
    }

    /// The kind of value, for error messages.
    var kind: String {
        switch self {
        case .undefined: "an undefined value"
        case .none: "none"
        case .bool: "a boolean"
        case .int: "a number"
        case .string: "a string"
        case .list: "a list"
        case .dictionary: "a mapping"
        case .namespace: "a namespace"
        case .function: "a function"
        }
    }

    /// The value as `{{ }}` writes it.
    func text() throws(TesseraError) -> String {
        switch self {
        case .undefined: return ""
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .int(let value): return String(value)
        case .string(let value): return value
        default: throw .template("\(kind) can't be written as text")
        }
    }

    /// A string's content.
    func string() throws(TesseraError) -> String {
        guard case .string(let value) = self else { throw .template("\(kind) stands where a string is needed") }
        return value
    }

    /// A whole number; booleans count as 0 and 1, as in Python.
    func integer() throws(TesseraError) -> Int {
        switch self {
        case .int(let value): return value
        case .bool(let value): return value ? 1 : 0
        default: throw .template("\(kind) stands where a number is needed")
        }
    }

    /// The elements that a loop runs over.
    func elements() throws(TesseraError) -> [JinjaValue] {
        switch self {
        case .undefined: return []
        case .list(let value): return value.items
        case .dictionary(let value): return value.entries.map { .string($0.key) }
        case .string(let value): return value.unicodeScalars.map { .string(String($0)) }
        default: throw .template("\(kind) can't be looped over")
        }
    }

    /// Nodes in the value, and how deeply lists and mappings are nested in it.
    var extent: (nodes: Int, depth: Int) {
        switch self {
        case .list(let value): value.extent
        case .dictionary(let value): value.extent
        default: (1, 0)
        }
    }
}

extension JinjaValue: Equatable {
    static func == (a: JinjaValue, b: JinjaValue) -> Bool {
        switch (a, b) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.bool, .bool), (.int, .int), (.bool, .int), (.int, .bool):
            return (try? a.integer()) == (try? b.integer())
        case (.string(let a), .string(let b)): return a.unicodeScalars.elementsEqual(b.unicodeScalars)
        case (.list(let a), .list(let b)): return a.items == b.items
        case (.dictionary(let a), .dictionary(let b)):
            return a.entries.count == b.entries.count && a.entries.allSatisfy { b[$0.key] == $0.value }
        default: return false
        }
    }
}

/// A list that knows its size, so that one built from itself again and again can't grow without bound.
struct JinjaList: Sendable {
    let items: [JinjaValue]
    let extent: (nodes: Int, depth: Int)

    init(_ items: [JinjaValue]) throws(TesseraError) {
        self.items = items
        extent = try JinjaValue.extent(of: items)
    }
}

/// A mapping with string keys, in the order of its entries.
struct JinjaDictionary: Sendable {
    let entries: [(key: String, value: JinjaValue)]
    let extent: (nodes: Int, depth: Int)

    init(_ entries: [(key: String, value: JinjaValue)]) throws(TesseraError) {
        self.entries = entries
        extent = try JinjaValue.extent(of: entries.map(\.value))
    }

    subscript(key: String) -> JinjaValue {
        entries.last { $0.key == key }?.value ?? .undefined
    }
}

/// The one kind of value that a template can change: what `namespace()` makes.
///
/// `@unchecked Sendable` because it never leaves the rendering that made it, which runs on one thread.
final class JinjaNamespace: @unchecked Sendable {
    var attributes: [String: JinjaValue]

    init(_ attributes: [String: JinjaValue]) {
        self.attributes = attributes
    }
}

extension JinjaValue {
    fileprivate static func extent(of items: [JinjaValue]) throws(TesseraError) -> (nodes: Int, depth: Int) {
        var nodes = 1
        var depth = 0
        for item in items {
            if case .namespace = item { throw .template("a namespace can't be put into another value") }
            nodes += item.extent.nodes
            depth = max(depth, item.extent.depth)
        }
        guard nodes <= JinjaLimits.nodes, depth < JinjaLimits.depth else {
            throw .template("a list or mapping grows beyond \(JinjaLimits.nodes) values or \(JinjaLimits.depth) levels")
        }
        return (nodes, depth + 1)
    }
}

/// How much a template may do. Real ones stay far below; hostile ones end in an error.
enum JinjaLimits {
    /// Bytes of the template itself.
    static let template = 256 << 10
    /// Tokens in one tag.
    static let tokensInTag = 512
    /// Blocks inside blocks, and parentheses inside parentheses.
    static let nesting = 32
    /// Steps of the interpreter; one for each expression and statement, and for each 64 bytes that it makes.
    static let steps = 200_000
    /// Bytes of one string, and of the whole output.
    static let bytes = 1 << 20
    /// Values in a list or mapping, all levels together.
    static let nodes = 10_000
    /// Levels of lists and mappings.
    static let depth = 32
}

extension TesseraError {
    /// What can't be honoured in a template. ``ChatTemplate`` says the rest.
    static func template(_ reason: String) -> TesseraError {
        TesseraError(.unsupported, reason)
    }
}
