// SPDX-License-Identifier: Apache-2.0

/// An expression of a Jinja template.
indirect enum JinjaExpression: Sendable {
    case literal(JinjaValue)
    case name(String)
    case list([JinjaExpression])
    case dictionary([(key: JinjaExpression, value: JinjaExpression)])
    case attribute(JinjaExpression, String)
    case item(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, from: JinjaExpression?, to: JinjaExpression?, step: JinjaExpression?)
    case call(JinjaExpression, JinjaArguments)
    case filter(JinjaExpression, String, JinjaArguments)
    case test(JinjaExpression, String, JinjaArguments, negated: Bool)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case binary(JinjaOperator, JinjaExpression, JinjaExpression)
    case conditional(JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
}

/// The operators between two expressions.
enum JinjaOperator: String, Sendable {
    case or, and
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
    case join = "~"
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "//"
    case remainder = "%"

    /// How strongly it binds; a test (`is`) binds at 8, a filter stronger than all.
    var precedence: Int {
        switch self {
        case .or: 1
        case .and: 2
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isIn, .isNotIn: 4
        case .add, .subtract: 5
        case .join: 6
        case .multiply, .divide, .remainder: 7
        }
    }
}

/// The arguments of a call, a filter or a test.
struct JinjaArguments: Sendable {
    var positional: [JinjaExpression] = []
    var named: [(name: String, value: JinjaExpression)] = []
}

/// A statement of a Jinja template, or a run of plain text between statements.
indirect enum JinjaStatement: Sendable {
    case text(String)
    case output(JinjaExpression)
    case set([String], JinjaExpression)
    case setAttribute(String, String, JinjaExpression)
    case setBlock(String, [JinjaStatement])
    case branch([(condition: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
    case loop(JinjaLoop)
    case breakLoop
    case continueLoop
}

/// A `for` statement.
struct JinjaLoop: Sendable {
    var names: [String]
    var items: JinjaExpression
    var condition: JinjaExpression?
    var body: [JinjaStatement]
    var otherwise: [JinjaStatement]
}
