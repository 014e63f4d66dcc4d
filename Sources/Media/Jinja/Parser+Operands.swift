extension Parser {
  /// A value with signs in front of it and what is taken from it, filtered where that is allowed.
  mutating func unary(withFilters: Bool) throws -> Expression {
    let line = current.line
    var value: Expression
    if isMark("-") || isMark("+") {
      let isNegative = isMark("-")
      advance()
      let operand = try nested { try $0.unary(withFilters: false) }
      value = try make(isNegative ? .negative(operand) : .positive(operand), line: line)
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return withFilters ? try filters(value) : value
  }

  mutating func primary() throws -> Expression {
    let token = current
    let line = token.line
    switch token.kind {
    case .name:
      advance()
      switch token.text {
      case "true", "True": return try make(.bool(true), line: line)
      case "false", "False": return try make(.bool(false), line: line)
      case "none", "None": return try make(.none, line: line)
      case let name:
        if ["varargs", "kwargs", "caller"].contains(name) { specials[specials.count - 1].insert(name) }
        return try make(.name(name), line: line)
      }
    case .string:
      var text = ""
      while current.kind == .string {
        text += current.text
        advance()
      }
      return try make(.string(text), line: line)
    case .integer:
      advance()
      guard let number = Int(token.text) else { throw JinjaError(.unsupported, "the number \(token.text)", line: line) }
      return try make(.int(number), line: line)
    case .float:
      advance()
      guard let number = Double(token.text) else { throw JinjaError(.unsupported, "the number \(token.text)", line: line) }
      return try make(.float(number), line: line)
    case .mark where token.text == "(":
      advance()
      let inner = try nested { try $0.tupleOrExpression(isInBrackets: true) }
      try expect(mark: ")")
      return inner
    case .mark where token.text == "[": return try list()
    case .mark where token.text == "{": return try dict()
    default: throw unexpected("an expression")
    }
  }

  private mutating func list() throws -> Expression {
    let line = current.line
    advance()
    var elements: [Expression] = []
    while !isMark("]") {
      if !elements.isEmpty { try expect(mark: ",") }
      if isMark("]") { break }
      elements.append(try expression())
    }
    try expect(mark: "]")
    return try make(.list(elements), line: line)
  }

  private mutating func dict() throws -> Expression {
    let line = current.line
    advance()
    var members: [(key: Expression, value: Expression)] = []
    while !isMark("}") {
      if !members.isEmpty { try expect(mark: ",") }
      if isMark("}") { break }
      let key = try expression()
      try expect(mark: ":")
      members.append((key, try expression()))
    }
    try expect(mark: "}")
    return try make(.dict(members), line: line)
  }

  mutating func postfix(_ value: Expression) throws -> Expression {
    var value = value
    while true {
      let line = current.line
      if skip(mark: ".") {
        if current.kind == .integer, let index = Int(current.text) {
          advance()
          value = try make(.item(value, try make(.int(index), line: line)), line: line)
        } else {
          value = try make(.attribute(value, try expectName()), line: line)
        }
      } else if isMark("[") {
        value = try subscripted(value)
      } else if isMark("(") {
        value = try make(.call(value, try callArguments()), line: line)
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(_ value: Expression) throws -> Expression {
    let line = current.line
    try expect(mark: "[")
    var from: Expression?
    if !isMark(":") {
      let index = try tupleIndex()
      if skip(mark: "]") { return try make(.item(value, index), line: line) }
      from = index
    }
    try expect(mark: ":")
    let to = isMark(":") || isMark("]") ? nil : try expression()
    let step = skip(mark: ":") && !isMark("]") ? try expression() : nil
    guard skip(mark: "]") else { throw JinjaError(.unsupported, "a slice with a comma", line: line) }
    return try make(.slice(value, from: from, to: to, step: step), line: line)
  }

  /// An index, which commas make a tuple.
  private mutating func tupleIndex() throws -> Expression {
    let line = current.line
    var elements = [try expression()]
    var isTuple = false
    while skip(mark: ",") {
      isTuple = true
      if isMark("]") { break }
      elements.append(try expression())
    }
    return try isTuple ? make(.tuple(elements), line: line) : elements[0]
  }
}
