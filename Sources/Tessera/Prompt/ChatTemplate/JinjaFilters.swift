// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The operators, filters, tests and methods of Jinja that chat templates use. All of them are pure.
enum JinjaFilters {
    // MARK: Operators

    static func binary(_ symbol: JinjaOperator, _ a: JinjaValue, _ b: JinjaValue) throws(TesseraError) -> JinjaValue {
        switch symbol {
        case .equal: return .bool(a == b)
        case .notEqual: return .bool(a != b)
        case .less, .lessOrEqual, .greater, .greaterOrEqual: return .bool(try compare(symbol, a, b))
        case .isIn: return .bool(try contains(b, a))
        case .isNotIn: return .bool(try !contains(b, a))
        case .join: return .string(try a.text() + b.text())
        case .add:
            switch (a, b) {
            case (.string(let a), .string(let b)): return .string(a + b)
            case (.list(let a), .list(let b)): return .list(try JinjaList(a.items + b.items))
            default: return .int(try arithmetic(.add, a.integer(), b.integer()))
            }
        case .multiply:
            if case .string(let text) = a { return .string(try repeated(text, b.integer())) }
            return .int(try arithmetic(symbol, a.integer(), b.integer()))
        default: return .int(try arithmetic(symbol, a.integer(), b.integer()))
        }
    }

    /// Whole numbers as in Python, where division and remainder round down; beyond 64 bits is an error.
    static func arithmetic(_ symbol: JinjaOperator, _ a: Int, _ b: Int) throws(TesseraError) -> Int {
        let result: (partialValue: Int, overflow: Bool)
        switch symbol {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        default:
            let quotient = a.dividedReportingOverflow(by: b)
            guard !quotient.overflow else { result = quotient; break }
            let rest = a % b
            let roundsDown = rest != 0 && (rest < 0) != (b < 0)
            let value = symbol == .divide ? quotient.partialValue - (roundsDown ? 1 : 0) : rest + (roundsDown ? b : 0)
            result = (value, false)
        }
        guard !result.overflow else { throw .template("a number has no 64-bit result") }
        return result.partialValue
    }

    private static func repeated(_ text: String, _ count: Int) throws(TesseraError) -> String {
        guard count > 0 else { return "" }
        guard text.utf8.count <= JinjaLimits.bytes / count else { throw .template("it makes a text that is too long") }
        return String(repeating: text, count: count)
    }

    private static func compare(_ symbol: JinjaOperator, _ a: JinjaValue, _ b: JinjaValue) throws(TesseraError) -> Bool
    {
        let isLess: Bool
        if case .string(let a) = a, case .string(let b) = b {
            isLess = a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
        } else {
            isLess = try a.integer() < b.integer()
        }
        switch symbol {
        case .less: return isLess
        case .lessOrEqual: return isLess || a == b
        case .greater: return !isLess && a != b
        default: return !isLess
        }
    }

    private static func contains(_ container: JinjaValue, _ value: JinjaValue) throws(TesseraError) -> Bool {
        switch container {
        case .string(let text): return try text.contains(literally: value.string())
        case .list(let list): return list.items.contains(value)
        case .dictionary(let dictionary):
            guard case .string(let key) = value else { return false }
            return dictionary.entries.contains { $0.key == key }
        case .undefined: return false
        default: throw .template("“in” is asked of \(container.kind)")
        }
    }

    // MARK: Parts of values

    /// `base.name` and `base[index]`: undefined where there is no such part, an error where there is no base.
    static func item(_ base: JinjaValue, _ index: JinjaValue) throws(TesseraError) -> JinjaValue {
        switch (base, index) {
        case (.undefined, _): throw .template("it asks for a part of an undefined value")
        case (.dictionary(let dictionary), .string(let key)): return dictionary[key]
        case (.namespace(let space), .string(let key)): return space.attributes[key] ?? .undefined
        case (.list(let list), .int(let index)):
            let place = index < 0 ? list.items.count + index : index
            return list.items.indices.contains(place) ? list.items[place] : .undefined
        case (.string(let text), .int(let index)):
            let scalars = Array(text.unicodeScalars)
            let place = index < 0 ? scalars.count + index : index
            return scalars.indices.contains(place) ? .string(String(scalars[place])) : .undefined
        default: return .undefined
        }
    }

    /// `base[from:to:step]`.
    static func slice(_ base: JinjaValue, _ from: Int?, _ to: Int?, _ step: Int) throws(TesseraError) -> JinjaValue {
        switch base {
        case .list(let list): return .list(try JinjaList(sliced(list.items, from, to, step)))
        case .string(let text):
            let scalars = try sliced(Array(text.unicodeScalars), from, to, step)
            return .string(String(String.UnicodeScalarView(scalars)))
        default: throw .template("\(base.kind) can't be cut")
        }
    }

    private static func sliced<T>(_ items: [T], _ from: Int?, _ to: Int?, _ step: Int) throws(TesseraError) -> [T] {
        guard step == 1 || step == -1 else { throw .template("only slices with step 1 and −1 are supported") }
        func clamped(_ bound: Int?, _ standard: Int, _ range: ClosedRange<Int>) -> Int {
            guard let bound else { return standard }
            return min(max(bound < 0 ? bound + items.count : bound, range.lowerBound), range.upperBound)
        }
        if step == 1 {
            let range = 0...items.count
            let (start, end) = (clamped(from, 0, range), clamped(to, items.count, range))
            return start < end ? Array(items[start..<end]) : []
        }
        let range = -1...items.count - 1
        let (start, end) = (clamped(from, items.count - 1, range), clamped(to, -1, range))
        return start > end ? items[(end + 1)...start].reversed() : []
    }

    // MARK: Tests

    static func test(_ name: String, _ value: JinjaValue, _ arguments: [JinjaValue]) throws(TesseraError) -> Bool {
        switch (name, value) {
        case ("defined", _): return value != .undefined
        case ("undefined", _): return value == .undefined
        case ("none", .none), ("string", .string), ("mapping", .dictionary), ("boolean", .bool), ("integer", .int),
            ("number", .int), ("number", .bool), ("iterable", .string), ("iterable", .list), ("iterable", .dictionary),
            ("iterable", .undefined), ("sequence", .string), ("sequence", .list), ("sequence", .dictionary),
            ("sequence", .undefined):
            return true
        case ("none", _), ("string", _), ("mapping", _), ("boolean", _), ("integer", _), ("number", _),
            ("iterable", _), ("sequence", _):
            return false
        case ("true", _):
            guard case .bool(true) = value else { return false }
            return true
        case ("false", _):
            guard case .bool(false) = value else { return false }
            return true
        case ("even", _), ("odd", _): return (try value.integer() % 2 == 0) == (name == "even")
        case ("equalto", _), ("eq", _): return value == arguments.first ?? .undefined
        case ("ne", _): return value != arguments.first ?? .undefined
        case ("in", _): return try contains(arguments.first ?? .undefined, value)
        default: throw .template("the test “\(name)” is not supported")
        }
    }

    // MARK: Filters

    static func filter(
        _ name: String, _ value: JinjaValue, _ arguments: [JinjaValue], named: [String: JinjaValue]
    ) throws(TesseraError) -> JinjaValue {
        func argument(_ index: Int, _ key: String) -> JinjaValue? {
            index < arguments.count ? arguments[index] : named[key]
        }
        switch name {
        case "length", "count": return .int(try length(of: value))
        case "default", "d":
            let replaces = value == .undefined || (argument(1, "boolean")?.isTrue == true && !value.isTrue)
            return replaces ? argument(0, "default_value") ?? .string("") : value
        case "first": return try value.elements().first ?? .undefined
        case "last": return try value.elements().last ?? .undefined
        case "list": return .list(try JinjaList(value.elements()))
        case "reverse": return try slice(value, nil, nil, -1)
        case "join":
            var texts: [String] = []
            for element in try value.elements() { texts.append(try element.text()) }
            return .string(texts.joined(separator: try argument(0, "d")?.string() ?? ""))
        case "string", "safe": return .string(try value.text())
        case "int": return .int(try integer(value))
        case "trim": return try method("strip", of: .string(value.text()), arguments)
        case "upper", "lower", "replace":
            return try method(name, of: .string(value.text()), arguments)
        case "selectattr", "rejectattr": return try selected(value, arguments, keeps: name == "selectattr")
        default: throw .template("the filter “\(name)” is not supported")
        }
    }

    private static func length(of value: JinjaValue) throws(TesseraError) -> Int {
        switch value {
        case .string(let text): return text.unicodeScalars.count
        default: return try value.elements().count
        }
    }

    private static func integer(_ value: JinjaValue) throws(TesseraError) -> Int {
        if case .string(let text) = value { return Int(text.stripped()) ?? 0 }
        if case .undefined = value { return 0 }
        if case .none = value { return 0 }
        return try value.integer()
    }

    private static func selected(
        _ value: JinjaValue, _ arguments: [JinjaValue], keeps: Bool
    ) throws(TesseraError) -> JinjaValue {
        guard let attribute = arguments.first else { throw .template("“selectattr” lacks an attribute") }
        let condition = arguments.count > 1 ? try arguments[1].string() : nil
        var kept: [JinjaValue] = []
        for element in try value.elements() {
            let part = try item(element, attribute)
            let holds = try condition.map { name throws(TesseraError) in
                try test(name, part, Array(arguments.dropFirst(2)))
            }
            if (holds ?? part.isTrue) == keeps { kept.append(element) }
        }
        return .list(try JinjaList(kept))
    }

    // MARK: Methods

    /// A Python method of a string or a mapping.
    static func method(
        _ name: String, of value: JinjaValue, _ arguments: [JinjaValue]
    ) throws(TesseraError) -> JinjaValue {
        if case .dictionary(let dictionary) = value { return try method(name, of: dictionary, arguments) }
        guard case .string(let text) = value else { throw .template("\(value.kind) has no method “\(name)”") }
        switch (name, arguments.count) {
        case ("strip", 0...1), ("lstrip", 0...1), ("rstrip", 0...1):
            let characters = try arguments.first?.string()
            return .string(text.stripped(characters, start: name != "rstrip", end: name != "lstrip"))
        case ("upper", 0): return .string(text.uppercased())
        case ("lower", 0): return .string(text.lowercased())
        case ("startswith", 1): return .bool(try text.utf8.starts(with: arguments[0].string().utf8))
        case ("endswith", 1): return .bool(try text.utf8.reversed().starts(with: arguments[0].string().utf8.reversed()))
        case ("split", 0):
            return .list(try JinjaList(text.split(whereSeparator: \.isWhitespace).map { .string(String($0)) }))
        case ("split", 1):
            let parts = try text.parts(between: arguments[0].string())
            return .list(try JinjaList(parts.map { .string($0) }))
        case ("replace", 2):
            let parts = try text.parts(between: arguments[0].string())
            return .string(parts.joined(separator: try arguments[1].string()))
        default: throw .template("the method “\(name)” is not supported")
        }
    }

    private static func method(
        _ name: String, of dictionary: JinjaDictionary, _ arguments: [JinjaValue]
    ) throws(TesseraError) -> JinjaValue {
        switch name {
        case "get":
            guard let key = try arguments.first?.string(), dictionary.entries.contains(where: { $0.key == key }) else {
                return arguments.count > 1 ? arguments[1] : .none
            }
            return dictionary[key]
        case "items":
            var pairs: [JinjaValue] = []
            for entry in dictionary.entries { pairs.append(.list(try JinjaList([.string(entry.key), entry.value]))) }
            return .list(try JinjaList(pairs))
        default: throw .template("the method “\(name)” is not supported")
        }
    }

    /// A point in time as C's `strftime` writes it, in the local time zone.
    static func formatted(_ date: Date, _ format: String) throws(TesseraError) -> String {
        guard format.utf8.count <= 100 else { throw .template("a date's format is longer than 100 bytes") }
        var seconds = time_t(date.timeIntervalSince1970)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = buffer.withUnsafeMutableBytes { bytes in
            strftime(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, format, &parts)
        }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}

extension String {
    /// Without the given characters, or white space, at its ends; as Python's `strip`.
    fileprivate func stripped(_ characters: String? = nil, start: Bool = true, end: Bool = true) -> String {
        let set = characters.map { Set($0.unicodeScalars) }
        let goes = { (scalar: UnicodeScalar) in set?.contains(scalar) ?? scalar.properties.isWhitespace }
        var scalars = Substring(self).unicodeScalars
        if start { scalars = scalars.drop(while: goes) }
        while end, let last = scalars.last, goes(last) { scalars.removeLast() }
        return String(scalars)
    }

    /// The pieces between occurrences of `separator`, compared byte by byte; as Python's `split`.
    fileprivate func parts(between separator: String) throws(TesseraError) -> [String] {
        guard !separator.isEmpty else { throw .template("an empty separator is not supported") }
        return components(separatedBy: separator)
    }

    fileprivate func contains(literally part: String) -> Bool {
        part.isEmpty || range(of: part, options: .literal) != nil
    }
}
