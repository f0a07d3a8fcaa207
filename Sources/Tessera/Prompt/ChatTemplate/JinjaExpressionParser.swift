// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Reads the tokens of one tag.
struct JinjaExpressionParser {
    private let tokens: [JinjaToken]
    private var at = 0
    private var nesting = 0

    init(_ tokens: [JinjaToken]) {
        self.tokens = tokens
    }

    /// Whether all tokens are read.
    var isAtEnd: Bool { at == tokens.count }

    private var next: JinjaToken? { isAtEnd ? nil : tokens[at] }

    /// Fails unless all tokens are read.
    func finish() throws(TesseraError) {
        guard isAtEnd else { throw .template("a tag goes on behind its end") }
    }

    /// Takes a symbol, if it is next.
    mutating func take(_ symbol: String) -> Bool {
        guard next == .symbol(symbol) else { return false }
        at += 1
        return true
    }

    /// Takes a word, if it is next.
    mutating func takeWord(_ word: String) -> Bool {
        guard next == .name(word) else { return false }
        at += 1
        return true
    }

    /// Takes a symbol that must be next.
    mutating func expect(_ symbol: String) throws(TesseraError) {
        guard take(symbol) else { throw .template("a tag lacks “\(symbol)”") }
    }

    /// Takes a name that must be next.
    mutating func name() throws(TesseraError) -> String {
        guard case .name(let name) = next else { throw .template("a tag lacks a name") }
        at += 1
        return name
    }

    /// Names with commas between them.
    mutating func names() throws(TesseraError) -> [String] {
        var names = [try name()]
        while take(",") { names.append(try name()) }
        return names
    }

    /// A whole expression.
    ///
    /// - Parameter conditional: Whether `a if b else c` may follow; not so in the head of a loop.
    mutating func expression(conditional: Bool = true) throws(TesseraError) -> JinjaExpression {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= JinjaLimits.nesting else {
            throw .template("an expression is nested more than \(JinjaLimits.nesting) levels deep")
        }
        var result = try operation(above: 0)
        while conditional, takeWord("if") {
            let condition = try operation(above: 0)
            let otherwise = takeWord("else") ? try expression() : nil
            result = .conditional(condition, then: result, otherwise: otherwise)
        }
        return result
    }

    /// Operands with operators between them that bind more strongly than `floor`.
    private mutating func operation(above floor: Int) throws(TesseraError) -> JinjaExpression {
        var left: JinjaExpression
        if floor < 3, takeWord("not") {
            left = .not(try negated())
        } else {
            left = try operand()
        }
        while let (symbol, length) = peekOperator(), symbol.precedence > floor {
            at += length
            let right = try operation(above: symbol.precedence)
            left = .binary(symbol, left, right)
            if symbol.precedence == 4, let (another, _) = peekOperator(), another.precedence == 4 {
                throw .template("comparisons in a chain are not supported")
            }
        }
        return left
    }

    private mutating func negated() throws(TesseraError) -> JinjaExpression {
        guard takeWord("not") else { return try operation(above: 3) }
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= JinjaLimits.nesting else { throw .template("too many “not” in a row") }
        return .not(try negated())
    }

    private func peekOperator() -> (JinjaOperator, tokens: Int)? {
        switch next {
        case .symbol(let symbol): JinjaOperator(rawValue: symbol).map { ($0, 1) }
        case .name("not"): at + 1 < tokens.count && tokens[at + 1] == .name("in") ? (.isNotIn, 2) : nil
        case .name(let word) where ["or", "and", "in"].contains(word): JinjaOperator(rawValue: word).map { ($0, 1) }
        default: nil
        }
    }

    /// An operand with what follows it: attributes, items, calls, filters and tests.
    private mutating func operand() throws(TesseraError) -> JinjaExpression {
        var result: JinjaExpression
        if take("-") {
            result = .negative(try postfix(primary()))
        } else {
            _ = take("+")
            result = try postfix(primary())
        }
        while true {
            if take("|") {
                let name = try name()
                result = .filter(result, name, next == .symbol("(") ? try arguments() : JinjaArguments())
            } else if takeWord("is") {
                result = try test(of: result)
            } else {
                return result
            }
        }
    }

    private mutating func test(of operand: JinjaExpression) throws(TesseraError) -> JinjaExpression {
        let negated = takeWord("not")
        let name = try name()
        var arguments = JinjaArguments()
        switch next {
        case .symbol("("): arguments = try self.arguments()
        case .string, .int, .symbol("["), .symbol("{"): arguments.positional = [try postfix(primary())]
        case .name(let word) where !["else", "or", "and", "if", "is", "not", "in"].contains(word):
            arguments.positional = [try postfix(primary())]
        default: break
        }
        return .test(operand, name, arguments, negated: negated)
    }

    private mutating func postfix(_ first: JinjaExpression) throws(TesseraError) -> JinjaExpression {
        var result = first
        while true {
            if take(".") {
                if case .int(let index) = next {
                    at += 1
                    result = .item(result, .literal(.int(index)))
                } else {
                    result = .attribute(result, try name())
                }
            } else if take("[") {
                result = try subscripted(result)
            } else if next == .symbol("(") {
                result = .call(result, try arguments())
            } else {
                return result
            }
        }
    }

    private mutating func subscripted(_ value: JinjaExpression) throws(TesseraError) -> JinjaExpression {
        var parts: [JinjaExpression?] = [nil]
        while !take("]") {
            if take(":") {
                parts.append(nil)
            } else {
                guard parts[parts.count - 1] == nil else { throw .template("a tag lacks “]”") }
                parts[parts.count - 1] = try expression()
            }
        }
        if parts.count == 1, let index = parts[0] { return .item(value, index) }
        guard (2...3).contains(parts.count) else { throw .template("an index has no meaning") }
        return .slice(value, from: parts[0], to: parts[1], step: parts.count == 3 ? parts[2] : nil)
    }

    private mutating func arguments() throws(TesseraError) -> JinjaArguments {
        var arguments = JinjaArguments()
        try expect("(")
        while !take(")") {
            if case .name(let name) = next, at + 1 < tokens.count, tokens[at + 1] == .symbol("=") {
                at += 2
                arguments.named.append((name, try expression()))
            } else {
                arguments.positional.append(try expression())
            }
            guard take(",") || next == .symbol(")") else { throw .template("a tag lacks “)”") }
        }
        return arguments
    }

    private mutating func primary() throws(TesseraError) -> JinjaExpression {
        guard let token = next else { throw .template("a tag ends where a value is needed") }
        at += 1
        switch token {
        case .int(let value): return .literal(.int(value))
        case .string(var value):
            while case .string(let more) = next {
                at += 1
                value += more
            }
            return .literal(.string(value))
        case .name(let name): return named(name)
        case .symbol("("): return try parenthesised()
        case .symbol("["): return .list(try items(until: "]"))
        case .symbol("{"): return try dictionary()
        case .symbol(let symbol): throw .template("“\(symbol)” stands where a value is needed")
        }
    }

    private func named(_ name: String) -> JinjaExpression {
        switch name {
        case "true", "True": .literal(.bool(true))
        case "false", "False": .literal(.bool(false))
        case "none", "None": .literal(.none)
        default: .name(name)
        }
    }

    /// An expression in parentheses, or a tuple, which counts as a list.
    private mutating func parenthesised() throws(TesseraError) -> JinjaExpression {
        if take(")") { return .list([]) }
        let first = try expression()
        if take(")") { return first }
        try expect(",")
        return .list([first] + (try items(until: ")")))
    }

    private mutating func items(until end: String) throws(TesseraError) -> [JinjaExpression] {
        var items: [JinjaExpression] = []
        while !take(end) {
            items.append(try expression())
            guard take(",") || next == .symbol(end) else { throw .template("a tag lacks “\(end)”") }
        }
        return items
    }

    private mutating func dictionary() throws(TesseraError) -> JinjaExpression {
        var entries: [(key: JinjaExpression, value: JinjaExpression)] = []
        while !take("}") {
            let key = try expression()
            try expect(":")
            entries.append((key, try expression()))
            guard take(",") || next == .symbol("}") else { throw .template("a tag lacks “}”") }
        }
        return .dictionary(entries)
    }
}
