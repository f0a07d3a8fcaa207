// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Reads a template into statements.
struct JinjaParser {
    private let pieces: [JinjaPiece]
    private var at = 0
    private var nesting = 0

    /// The statements of `template`.
    ///
    /// - Throws: ``TesseraError`` of code `unsupported` that says what can't be read.
    static func statements(of template: String) throws(TesseraError) -> [JinjaStatement] {
        var lexer = try JinjaLexer(template)
        var parser = JinjaParser(pieces: try lexer.pieces())
        let (body, end) = try parser.body(until: [])
        if end != nil { throw .template("a block has no beginning") }
        return body
    }

    private init(pieces: [JinjaPiece]) {
        self.pieces = pieces
    }

    /// Statements up to a tag that begins with one of `ends`, with the rest of that tag.
    private mutating func body(
        until ends: Set<String>
    ) throws(TesseraError) -> (body: [JinjaStatement], end: (word: String, rest: JinjaExpressionParser)?) {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= JinjaLimits.nesting else {
            throw .template("blocks are nested more than \(JinjaLimits.nesting) levels deep")
        }
        var body: [JinjaStatement] = []
        while at < pieces.count {
            let piece = pieces[at]
            at += 1
            switch piece {
            case .text(let text): body.append(.text(text))
            case .output(let tokens):
                var parser = JinjaExpressionParser(tokens)
                body.append(.output(try parser.expression()))
                try parser.finish()
            case .statement(let tokens):
                var parser = JinjaExpressionParser(tokens)
                let word = try parser.name()
                if ends.contains(word) { return (body, (word, parser)) }
                body.append(try statement(word, &parser))
            }
        }
        guard ends.isEmpty else { throw .template("a block has no end (\(ends.sorted().joined(separator: " or ")))") }
        return (body, nil)
    }

    /// Statements up to a tag that is nothing but `end`.
    private mutating func body(endedBy end: String) throws(TesseraError) -> [JinjaStatement] {
        let (body, tag) = try body(until: [end])
        try tag?.rest.finish()
        return body
    }

    private mutating func statement(
        _ word: String, _ tag: inout JinjaExpressionParser
    ) throws(TesseraError) -> JinjaStatement {
        switch word {
        case "if": return try branch(&tag)
        case "for": return try loop(&tag)
        case "set": return try set(&tag)
        case "macro":
            // Templates define macros to write tools, and there are none here: one that is called after all is an error.
            _ = try body(endedBy: "endmacro")
            return .text("")
        case "break", "continue":
            try tag.finish()
            return word == "break" ? .breakLoop : .continueLoop
        case "generation":
            // Marks what to train on; it writes what is in it.
            try tag.finish()
            return .branch([(.literal(.bool(true)), try body(endedBy: "endgeneration"))], otherwise: [])
        default: throw .template("the tag “\(word)” is not supported")
        }
    }

    private mutating func branch(_ tag: inout JinjaExpressionParser) throws(TesseraError) -> JinjaStatement {
        var branches: [(condition: JinjaExpression, body: [JinjaStatement])] = []
        var condition = try tag.expression()
        try tag.finish()
        while true {
            let (body, end) = try body(until: ["elif", "else", "endif"])
            branches.append((condition, body))
            guard let end, end.word != "endif" else { break }
            var rest = end.rest
            if end.word == "else" {
                try rest.finish()
                return .branch(branches, otherwise: try self.body(endedBy: "endif"))
            }
            condition = try rest.expression()
            try rest.finish()
        }
        return .branch(branches, otherwise: [])
    }

    private mutating func loop(_ tag: inout JinjaExpressionParser) throws(TesseraError) -> JinjaStatement {
        let names = try tag.names()
        guard tag.takeWord("in") else { throw .template("a loop lacks “in”") }
        let items = try tag.expression(conditional: false)
        let condition = tag.takeWord("if") ? try tag.expression() : nil
        guard tag.isAtEnd else { throw .template("recursive loops are not supported") }
        let (body, end) = try body(until: ["else", "endfor"])
        let otherwise = end?.word == "else" ? try self.body(endedBy: "endfor") : []
        return .loop(JinjaLoop(names: names, items: items, condition: condition, body: body, otherwise: otherwise))
    }

    private mutating func set(_ tag: inout JinjaExpressionParser) throws(TesseraError) -> JinjaStatement {
        let names = try tag.names()
        if names.count == 1, tag.isAtEnd { return .setBlock(names[0], try body(endedBy: "endset")) }
        let attribute = names.count == 1 && tag.take(".") ? try tag.name() : nil
        try tag.expect("=")
        let value = try tag.expression()
        try tag.finish()
        if let attribute { return .setAttribute(names[0], attribute, value) }
        return .set(names, value)
    }
}
