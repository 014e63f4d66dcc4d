extension Parser {
  /// Expressions with commas between them are a tuple.
  mutating func tupleOrExpression(
    allowsConditional: Bool = true, until end: String? = nil, isInBrackets: Bool = false
  ) throws -> Expression {
    let line = current.line
    var elements: [Expression] = []
    var isTuple = false
    while true {
      if !elements.isEmpty { try expect(mark: ",") }
      if isTupleEnd(end) { break }
      elements.append(allowsConditional ? try expression() : try disjunction())
      guard isMark(",") else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = elements.first { return only }
      if !isInBrackets { throw unexpected("an expression") }
    }
    return try make(.tuple(elements), line: line)
  }

  private func isTupleEnd(_ name: String?) -> Bool {
    current.kind == .variableEnd || current.kind == .blockEnd || isMark(")") || name.map { isName($0) } ?? false
  }

  /// Any expression: `a if b else c` binds least.
  mutating func expression() throws -> Expression {
    try nested { parser in
      var value = try parser.disjunction()
      while parser.isName("if") {
        let line = parser.current.line
        parser.advance()
        let condition = try parser.disjunction()
        let otherwise = parser.skip(name: "else") ? try parser.expression() : nil
        value = try parser.make(.conditional(condition: condition, then: value, otherwise: otherwise), line: line)
      }
      return value
    }
  }

  mutating func disjunction() throws -> Expression {
    var left = try conjunction()
    while isName("or") {
      let line = current.line
      advance()
      left = try make(.or(left, try conjunction()), line: line)
    }
    return left
  }

  private mutating func conjunction() throws -> Expression {
    var left = try negation()
    while isName("and") {
      let line = current.line
      advance()
      left = try make(.and(left, try negation()), line: line)
    }
    return left
  }

  private mutating func negation() throws -> Expression {
    guard isName("not") else { return try comparison() }
    let line = current.line
    advance()
    return try make(.not(try nested { try $0.negation() }), line: line)
  }

  private mutating func comparison() throws -> Expression {
    let line = current.line
    let first = try sum()
    var rest: [(operation: Expression.Comparison, value: Expression)] = []
    while let operation = comparisonHere() { rest.append((operation, try sum())) }
    return try rest.isEmpty ? first : make(.compare(first, rest), line: line)
  }

  /// Reads a comparison, if one stands here.
  private mutating func comparisonHere() -> Expression.Comparison? {
    if current.kind == .mark {
      let known: [String: Expression.Comparison] = [
        "==": .equal, "!=": .notEqual, "<": .less, "<=": .lessOrEqual, ">": .greater, ">=": .greaterOrEqual,
      ]
      guard let found = known[current.text] else { return nil }
      advance()
      return found
    }
    if skip(name: "in") { return .isIn }
    guard isName("not"), next.kind == .name, next.text == "in" else { return nil }
    advance()
    advance()
    return .isNotIn
  }

  private mutating func sum() throws -> Expression {
    var left = try concatenation()
    while isMark("+") || isMark("-") {
      let (line, operation) = (current.line, isMark("+") ? Expression.Arithmetic.add : .subtract)
      advance()
      left = try make(.arithmetic(operation, left, try concatenation()), line: line)
    }
    return left
  }

  private mutating func concatenation() throws -> Expression {
    let line = current.line
    var parts = [try product()]
    while skip(mark: "~") { parts.append(try product()) }
    return try parts.count == 1 ? parts[0] : make(.concatenation(parts), line: line)
  }

  private mutating func product() throws -> Expression {
    var left = try power()
    while current.kind == .mark, ["*", "/", "//", "%"].contains(current.text),
      let operation = Expression.Arithmetic(rawValue: current.text)
    {
      let line = current.line
      advance()
      left = try make(.arithmetic(operation, left, try power()), line: line)
    }
    return left
  }

  private mutating func power() throws -> Expression {
    var left = try unary(withFilters: true)
    while isMark("**") {
      let line = current.line
      advance()
      left = try make(.arithmetic(.power, left, try unary(withFilters: true)), line: line)
    }
    return left
  }

  /// Filters, tests and calls behind a value.
  mutating func filters(_ value: Expression) throws -> Expression {
    var value = value
    while true {
      let line = current.line
      if skip(mark: "|") {
        value = try make(.filter(value, try filterCall()), line: line)
      } else if isName("is") {
        value = try test(value)
      } else if isMark("(") {
        value = try make(.call(value, try callArguments()), line: line)
      } else {
        return value
      }
    }
  }

  /// The name of a filter and its arguments.
  mutating func filterCall() throws -> FilterCall {
    let line = current.line
    let name = try dottedName()
    return FilterCall(name: name, arguments: isMark("(") ? try callArguments() : CallArguments(), line: line)
  }

  private mutating func dottedName() throws -> String {
    var name = try expectName()
    while skip(mark: ".") { name += "." + (try expectName()) }
    return name
  }

  private mutating func test(_ value: Expression) throws -> Expression {
    let line = current.line
    advance()
    let negated = skip(name: "not")
    let name = try dottedName()
    var arguments = CallArguments()
    if isMark("(") {
      arguments = try callArguments()
    } else if isOperandOfTest {
      if isName("is") { throw JinjaError(.syntax, "one \"is\" follows another", line: line) }
      let operand = try primary()
      arguments.positional = [try postfix(operand)]
    }
    return try make(.test(value, FilterCall(name: name, arguments: arguments, line: line), negated: negated), line: line)
  }

  private var isOperandOfTest: Bool {
    switch current.kind {
    case .name: !["else", "or", "and"].contains(current.text)
    case .string, .integer, .float: true
    case .mark: current.text == "[" || current.text == "{"
    default: false
    }
  }

  mutating func callArguments() throws -> CallArguments {
    let line = current.line
    try expect(mark: "(")
    var found = CallArguments()
    var isFirst = true
    while !isMark(")") {
      if !isFirst {
        try expect(mark: ",")
        if isMark(")") { break }
      }
      isFirst = false
      if isMark("*"), found.list == nil, found.dict == nil {
        advance()
        found.list = try expression()
      } else if isMark("**"), found.dict == nil {
        advance()
        found.dict = try expression()
      } else if current.kind == .name, next.kind == .mark, next.text == "=", found.dict == nil {
        let name = try expectName()
        advance()
        found.named.append((name, try expression()))
      } else if found.list == nil, found.dict == nil, found.named.isEmpty {
        found.positional.append(try expression())
      } else {
        throw JinjaError(.syntax, "the arguments of a call are in a wrong order", line: line)
      }
    }
    try expect(mark: ")")
    return found
  }
}
