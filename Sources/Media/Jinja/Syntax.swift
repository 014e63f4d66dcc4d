/// An expression and where it stands.
struct Expression: Sendable {
  let line: Int
  let form: Form
  /// Expressions below one another, this one included.
  let height: Int

  init(_ form: Form, line: Int) {
    (self.form, self.line) = (form, line)
    height = 1 + (form.parts.lazy.map(\.height).max() ?? 0)
  }

  indirect enum Form: Sendable {
    case none, bool(Bool), int(Int), float(Double), string(String)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dict([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, from: Expression?, to: Expression?, step: Expression?)
    case call(Expression, CallArguments)
    case filter(Expression, FilterCall)
    case test(Expression, FilterCall, negated: Bool)
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case conditional(condition: Expression, then: Expression, otherwise: Expression?)
    case compare(Expression, [(operation: Comparison, value: Expression)])
    case arithmetic(Arithmetic, Expression, Expression)
    case concatenation([Expression])
  }

  enum Comparison: Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn }

  enum Arithmetic: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
  }
}

extension Expression.Form {
  /// The expressions that this one is made of.
  var parts: [Expression] {
    switch self {
    case .none, .bool, .int, .float, .string, .name: []
    case .list(let parts), .tuple(let parts), .concatenation(let parts): parts
    case .dict(let members): members.flatMap { [$0.key, $0.value] }
    case .attribute(let value, _), .not(let value), .negative(let value), .positive(let value): [value]
    case .item(let left, let right), .and(let left, let right), .or(let left, let right), .arithmetic(_, let left, let right):
      [left, right]
    case .slice(let value, let from, let to, let step): [value] + [from, to, step].compactMap(\.self)
    case .call(let value, let arguments): [value] + arguments.parts
    case .filter(let value, let call), .test(let value, let call, _): [value] + call.arguments.parts
    case .conditional(let condition, let then, let otherwise): [condition, then] + [otherwise].compactMap(\.self)
    case .compare(let first, let rest): [first] + rest.map(\.value)
    }
  }
}

/// What stands in the brackets of a call.
struct CallArguments: Sendable {
  var positional: [Expression] = []
  var named: [(name: String, value: Expression)] = []
  /// `*list` and `**dict`.
  var list: Expression?
  var dict: Expression?

  var parts: [Expression] { positional + named.map(\.value) + [list, dict].compactMap(\.self) }
}

/// A filter or test with its arguments.
struct FilterCall: Sendable {
  let name: String
  let arguments: CallArguments
  let line: Int
}

/// What a value is assigned to.
indirect enum Target: Sendable {
  case name(String)
  case tuple([Target])
  /// A member of a namespace.
  case member(String, String)
}

/// A statement and where it stands.
struct Statement: Sendable {
  let line: Int
  let form: Form

  init(_ form: Form, line: Int) { (self.form, self.line) = (form, line) }

  indirect enum Form: Sendable {
    case text(String)
    case output(Expression)
    case choice([(condition: Expression, body: [Statement])], otherwise: [Statement])
    case loop(Loop)
    case set(Target, Expression)
    case setBlock(Target, [FilterCall], [Statement])
    case macro(String, Signature, [Statement])
    case callBlock(Expression, Signature, [Statement])
    case filterBlock([FilterCall], [Statement])
    case with([(target: Target, value: Expression)], [Statement])
    /// `{% generation %}`, by which a template says what the assistant's words are; they are written like any others.
    case generation([Statement])
    case breakLoop, continueLoop
  }

  struct Loop: Sendable {
    let target: Target
    let values: Expression
    let condition: Expression?
    let isRecursive: Bool
    let body, otherwise: [Statement]
  }

  /// Parameters of a macro.
  struct Signature: Sendable {
    var names: [String] = []
    /// Of the last parameters.
    var defaults: [Expression] = []
    /// Names that the body reads of `varargs`, `kwargs` and `caller`, which a macro takes only where it does.
    var takes: Set<String> = []
  }
}
