// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Renders a Jinja template: the subset of the language that chat templates are written in, in bounded steps and
/// memory (``JinjaLimits``).
///
/// Left out, each with an error that names it: inheritance and inclusion, macros, `call` and `filter` blocks, recursive loops,
/// fractions, and filters and methods beyond those of ``JinjaFilters``. Lists and mappings can't be written as text.
struct JinjaInterpreter {
    private enum Flow { case goesOn, leavesLoop, nextRound }

    private var scopes: [[String: JinjaValue]]
    private var output = ""
    private var steps = 0
    private let now: Date

    /// The text of `template` with `variables`.
    ///
    /// - Parameter now: What `strftime_now` shows, in the local time zone.
    /// - Throws: ``TesseraError`` of code `unsupported` with the reason.
    static func render(
        _ template: String, variables: [String: JinjaValue], now: Date = Date()
    ) throws(TesseraError) -> String {
        let statements = try JinjaParser.statements(of: template)
        let functions = ["raise_exception", "strftime_now", "namespace", "range"]
        var globals = variables
        for name in functions where globals[name] == nil { globals[name] = .function(name) }
        var interpreter = JinjaInterpreter(scopes: [globals], now: now)
        _ = try interpreter.run(statements)
        return interpreter.output
    }

    private init(scopes: [[String: JinjaValue]], now: Date) {
        self.scopes = scopes
        self.now = now
    }

    /// Counts a step, and those that `bytes` of new text cost.
    mutating func charge(bytes: Int = 0) throws(TesseraError) {
        guard bytes <= JinjaLimits.bytes else {
            throw .template("it makes a text of more than \(JinjaLimits.bytes >> 20) MiB")
        }
        steps += 1 + bytes / 64
        guard steps <= JinjaLimits.steps else { throw .template("it takes more than \(JinjaLimits.steps) steps") }
    }

    // MARK: Statements

    private mutating func run(_ statements: [JinjaStatement]) throws(TesseraError) -> Flow {
        for statement in statements {
            try charge()
            let flow = try run(statement)
            if flow != .goesOn { return flow }
        }
        return .goesOn
    }

    private mutating func run(_ statement: JinjaStatement) throws(TesseraError) -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression): try write(value(of: expression).text())
        case .set(let names, let expression): try assign(names, value(of: expression))
        case .setAttribute(let name, let attribute, let expression):
            guard case .namespace(let space) = lookUp(name) else { throw .template("“\(name)” is no namespace") }
            let value = try value(of: expression)
            if case .namespace = value { throw .template("a namespace can't be put into another value") }
            space.attributes[attribute] = value
        case .setBlock(let name, let body): try assign([name], .string(captured(body)))
        case .branch(let branches, let otherwise):
            for branch in branches where try value(of: branch.condition).isTrue { return try run(branch.body) }
            return try run(otherwise)
        case .loop(let loop): try run(loop)
        case .breakLoop: return .leavesLoop
        case .continueLoop: return .nextRound
        }
        return .goesOn
    }

    private mutating func write(_ text: String) throws(TesseraError) {
        try charge(bytes: output.utf8.count + text.utf8.count > JinjaLimits.bytes ? .max : text.utf8.count)
        output += text
    }

    /// What `body` writes, instead of writing it.
    private mutating func captured(_ body: [JinjaStatement]) throws(TesseraError) -> String {
        let outer = output
        output = ""
        defer { output = outer }
        _ = try run(body)
        return output
    }

    private mutating func assign(_ names: [String], _ value: JinjaValue) throws(TesseraError) {
        if names.count == 1 {
            scopes[scopes.count - 1][names[0]] = value
            return
        }
        let values = try value.elements()
        guard values.count == names.count else {
            throw .template("\(values.count) values can't be given to \(names.count) names")
        }
        for (name, value) in zip(names, values) { scopes[scopes.count - 1][name] = value }
    }

    private mutating func run(_ loop: JinjaLoop) throws(TesseraError) {
        var items = try value(of: loop.items).elements()
        try charge(bytes: items.count)
        if let condition = loop.condition {
            var kept: [JinjaValue] = []
            for item in items {
                scopes.append([:])
                defer { scopes.removeLast() }
                try assign(loop.names, item)
                if try value(of: condition).isTrue { kept.append(item) }
            }
            items = kept
        }
        if items.isEmpty { _ = try run(loop.otherwise) }
        for index in items.indices {
            scopes.append(["loop": try position(index, in: items)])
            defer { scopes.removeLast() }
            try assign(loop.names, items[index])
            if try run(loop.body) == .leavesLoop { return }
        }
    }

    private func position(_ index: Int, in items: [JinjaValue]) throws(TesseraError) -> JinjaValue {
        .dictionary(
            try JinjaDictionary([
                ("index", .int(index + 1)), ("index0", .int(index)), ("first", .bool(index == 0)),
                ("last", .bool(index == items.count - 1)), ("length", .int(items.count)),
                ("revindex", .int(items.count - index)), ("revindex0", .int(items.count - index - 1)),
                ("previtem", index > 0 ? items[index - 1] : .undefined),
                ("nextitem", index + 1 < items.count ? items[index + 1] : .undefined),
            ]))
    }

    private func lookUp(_ name: String) -> JinjaValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return .undefined
    }

    // MARK: Expressions

    private mutating func value(of expression: JinjaExpression) throws(TesseraError) -> JinjaValue {
        try charge()
        switch expression {
        case .literal(let value): return value
        case .name(let name): return lookUp(name)
        case .list(let items): return .list(try JinjaList(values(of: items)))
        case .dictionary(let entries):
            var values: [(key: String, value: JinjaValue)] = []
            for entry in entries { values.append((try value(of: entry.key).string(), try value(of: entry.value))) }
            return .dictionary(try JinjaDictionary(values))
        case .attribute(let base, let name): return try JinjaFilters.item(value(of: base), .string(name))
        case .item(let base, let index): return try JinjaFilters.item(value(of: base), value(of: index))
        case .slice(let base, let from, let to, let step):
            return try JinjaFilters.slice(value(of: base), bound(from), bound(to), bound(step) ?? 1)
        case .call(let callee, let arguments): return try call(callee, arguments)
        case .filter(let base, let name, let arguments):
            let base = try value(of: base)
            let result = try JinjaFilters.filter(
                name, base, values(of: arguments.positional), named: named(arguments))
            return try charged(result)
        case .test(let base, let name, let arguments, let negated):
            let holds = try JinjaFilters.test(name, value(of: base), values(of: arguments.positional))
            return .bool(holds != negated)
        case .not(let operand): return .bool(try !value(of: operand).isTrue)
        case .negative(let operand):
            return .int(try JinjaFilters.arithmetic(.subtract, 0, value(of: operand).integer()))
        case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
        case .conditional(let condition, let then, let otherwise):
            if try value(of: condition).isTrue { return try value(of: then) }
            return try otherwise.map { other throws(TesseraError) in try value(of: other) } ?? .undefined
        }
    }

    private mutating func values(of expressions: [JinjaExpression]) throws(TesseraError) -> [JinjaValue] {
        var values: [JinjaValue] = []
        for expression in expressions { values.append(try value(of: expression)) }
        return values
    }

    private mutating func named(_ arguments: JinjaArguments) throws(TesseraError) -> [String: JinjaValue] {
        var named: [String: JinjaValue] = [:]
        for argument in arguments.named { named[argument.name] = try value(of: argument.value) }
        return named
    }

    private mutating func bound(_ expression: JinjaExpression?) throws(TesseraError) -> Int? {
        guard let expression else { return nil }
        let value = try value(of: expression)
        if case .none = value { return nil }
        return try value.integer()
    }

    /// A value just made, its size counted.
    private mutating func charged(_ value: JinjaValue) throws(TesseraError) -> JinjaValue {
        if case .string(let text) = value {
            try charge(bytes: text.utf8.count)
        } else {
            try charge(bytes: value.extent.nodes)
        }
        return value
    }

    private mutating func binary(
        _ symbol: JinjaOperator, _ left: JinjaExpression, _ right: JinjaExpression
    ) throws(TesseraError) -> JinjaValue {
        let a = try value(of: left)
        switch symbol {
        case .or: return a.isTrue ? a : try value(of: right)
        case .and: return a.isTrue ? try value(of: right) : a
        default: return try charged(JinjaFilters.binary(symbol, a, value(of: right)))
        }
    }

    // MARK: Calls

    private mutating func call(
        _ callee: JinjaExpression, _ arguments: JinjaArguments
    ) throws(TesseraError) -> JinjaValue {
        if case .attribute(let base, let method) = callee {
            let base = try value(of: base)
            return try charged(JinjaFilters.method(method, of: base, values(of: arguments.positional)))
        }
        switch try value(of: callee) {
        case .function(let name): return try function(name, values(of: arguments.positional), named(arguments))
        default: throw .template("it calls what is no function that chat templates have")
        }
    }

    private mutating func function(
        _ name: String, _ arguments: [JinjaValue], _ named: [String: JinjaValue]
    ) throws(TesseraError) -> JinjaValue {
        switch name {
        case "namespace": return .namespace(JinjaNamespace(named))
        case "range":
            var bounds: [Int] = []
            for argument in arguments { bounds.append(try argument.integer()) }
            guard (1...2).contains(bounds.count) else { throw .template("range with a step is not supported") }
            let range = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
            let count = try JinjaFilters.arithmetic(.subtract, range.1, range.0)
            guard count < JinjaLimits.nodes else { throw .template("a range is longer than \(JinjaLimits.nodes)") }
            return .list(try JinjaList((0..<max(count, 0)).map { .int(range.0 + $0) }))
        case "strftime_now":
            return .string(try JinjaFilters.formatted(now, arguments.first?.string() ?? ""))
        default:
            throw .template("it refuses the messages: \(String(try arguments.first?.text().prefix(200) ?? ""))")
        }
    }
}
