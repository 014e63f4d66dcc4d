extension Machine {
  /// What an expression stands for.
  func evaluate(_ expression: Expression, _ scope: Scope) throws -> Value {
    try deeper {
      try step()
      line = expression.line
      return try value(of: expression, scope)
    }
  }

  /// Each kind of expression has a function of its own, so that what an expression inside of another takes of the stack is little.
  private func value(of expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.form {
    case .none, .bool, .int, .float, .string: constant(expression)
    case .name(let name): scope.value(of: name) ?? globals[name] ?? .undefined(name)
    case .list, .tuple, .dict: try collection(expression, scope)
    case .attribute, .item, .slice: try access(expression, scope)
    case .call(let called, let given): try call(called, given, expression.line, scope)
    case .filter(let value, let filter): try apply(filter, to: try evaluate(value, scope), scope)
    case .test(let value, let test, let negated): .bool(try passes(try evaluate(value, scope), test, scope) != negated)
    case .compare(let first, let rest): .bool(try compare(first, rest, scope))
    case .arithmetic: try arithmetic(expression, scope)
    case .concatenation(let parts): try string(try parts.map { try text(try evaluate($0, scope)) }.joined())
    default: try logic(expression, scope)
    }
  }

  private func constant(_ expression: Expression) -> Value {
    switch expression.form {
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .float(let value): .float(value)
    case .string(let text): .string(text)
    default: .none
    }
  }

  private func collection(_ expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.form {
    case .list(let elements): try list(try elements.map { try evaluate($0, scope) })
    case .tuple(let elements): .tuple(try elements.map { try evaluate($0, scope) })
    case .dict(let members): try dict(members, scope)
    default: .none
    }
  }

  private func access(_ expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.form {
    case .attribute(let value, let name): return try attribute(name, of: try evaluate(value, scope), line: expression.line)
    case .slice(let value, let from, let to, let step): return try slice(value, from, to, step, scope)
    case .item(let value, let key):
      let (value, key) = (try evaluate(value, scope), try evaluate(key, scope))
      line = expression.line
      return try item(key, of: value)
    default: return .none
    }
  }

  /// A chain such as `a + b + c`, from left to right.
  private func arithmetic(_ expression: Expression, _ scope: Scope) throws -> Value {
    var operations: [(operation: Expression.Arithmetic, right: Expression, line: Int)] = []
    var first = expression
    while case .arithmetic(let operation, let left, let right) = first.form {
      operations.append((operation, right, first.line))
      first = left
    }
    var value = try evaluate(first, scope)
    for (operation, right, place) in operations.reversed() {
      let right = try evaluate(right, scope)
      line = place
      value = try calculate(operation, value, right)
    }
    return value
  }

  private func logic(_ expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.form {
    case .not(let value): return .bool(!(try evaluate(value, scope).isTrue))
    case .negative(let value): return try negated(try evaluate(value, scope))
    case .positive(let value):
      let value = try evaluate(value, scope)
      guard let number = value.number else { throw failure("+ is not for values of type \(value.type)") }
      return Value(number)
    case .and(let left, let right):
      let left = try evaluate(left, scope)
      return left.isTrue ? try evaluate(right, scope) : left
    case .or(let left, let right):
      let left = try evaluate(left, scope)
      return left.isTrue ? left : try evaluate(right, scope)
    case .conditional(let condition, let then, let otherwise):
      if try evaluate(condition, scope).isTrue { return try evaluate(then, scope) }
      return try otherwise.map { try evaluate($0, scope) } ?? .undefined("a conditional without else")
    default: return .none
    }
  }

  private func dict(_ members: [(key: Expression, value: Expression)], _ scope: Scope) throws -> Value {
    var dict = Dict()
    for member in members {
      let key = try evaluate(member.key, scope)
      try requireKey(key)
      try step(1 + dict.count)
      dict[key] = try evaluate(member.value, scope)
    }
    try charge(dict.count * 64)
    return .dict(dict)
  }

  func requireKey(_ key: Value) throws {
    switch key {
    case .list, .dict: throw failure("a value of type \(key.type) cannot be a key")
    default: break
    }
  }

  private func slice(
    _ value: Expression, _ from: Expression?, _ to: Expression?, _ step: Expression?, _ scope: Scope
  ) throws -> Value {
    let value = try evaluate(value, scope)
    func bound(_ expression: Expression?) throws -> Int? {
      guard let expression else { return nil }
      let found = try evaluate(expression, scope)
      if case .none = found { return nil }
      return try found.integer("an end of a slice")
    }
    let (from, to, step) = (try bound(from), try bound(to), try bound(step) ?? 1)
    func indices(_ count: Int) throws -> [Int] {
      if step == 0 { throw failure("the step of a slice is 0") }
      try self.step(1 + count / 16)
      return Slicing.indices(from: from, to: to, step: step, count: count)
    }
    switch value {
    case .string(let text):
      let scalars = Array(text.unicodeScalars)
      var result = String.UnicodeScalarView()
      result.append(contentsOf: try indices(scalars.count).map { scalars[$0] })
      return try string(String(result))
    case .list(let values): return try list(try indices(values.count).map { values[$0] })
    case .tuple(let values): return .tuple(try indices(values.count).map { values[$0] })
    case .range(let range): return try list(try indices(range.count).map { .int(range.element($0)) })
    case .undefined(let name): throw undefined(name)
    // jinja2 gives an error, or where it can compute the value beforehand one that is undefined.
    default: throw JinjaError(.unsupported, "a slice of a value of type \(value.type)")
    }
  }

  /// The arguments of a call.
  func evaluate(_ given: CallArguments, _ scope: Scope) throws -> Arguments {
    var found = Arguments(positional: try given.positional.map { try evaluate($0, scope) })
    if let list = given.list { found.positional += try elements(of: try evaluate(list, scope)) }
    found.named = try given.named.map { ($0.name, try evaluate($0.value, scope)) }
    if let dict = given.dict {
      guard case .dict(let members) = try evaluate(dict, scope) else { throw failure("** needs a dict") }
      for (key, value) in members.pairs { found.named.append((try key.string("a name behind **"), value)) }
    }
    return found
  }

  private func call(_ called: Expression, _ given: CallArguments, _ place: Int, _ scope: Scope) throws -> Value {
    let function = try evaluate(called, scope)
    let arguments = try evaluate(given, scope)
    line = place
    return try call(function, arguments)
  }

  func call(_ function: Value, _ arguments: Arguments) throws -> Value {
    switch function {
    case .function(let function): return try deeper { try function.body(self, arguments) }
    case .loop(let loop):
      guard let again = loop.again else { throw failure("a loop that is called has to be \"recursive\"") }
      guard arguments.positional.count == 1, arguments.named.isEmpty else { throw failure("a loop is called with one list") }
      return try again(arguments.positional[0], loop.depth0 + 1)
    case .undefined(let name): throw undefined(name)
    default: throw failure("a value of type \(function.type) cannot be called")
    }
  }

  func undefined(_ name: String) -> JinjaError { failure("\"\(name)\" is undefined") }

  /// All values that a loop over a value visits; those of an iterator are gone then.
  func elements(of value: Value) throws -> [Value] {
    let found: [Value]
    switch value {
    case .list(let values), .tuple(let values), .view(_, let values): found = values
    case .dict(let dict): found = dict.keys
    case .string(let text): found = text.unicodeScalars.map { .string(String($0)) }
    case .range(let range): found = (0..<range.count).map { .int(range.element($0)) }
    case .iterator(let iterator): found = iterator.take()
    case .undefined: found = []
    default: throw failure("a value of type \(value.type) has no elements")
    }
    try step(found.count / 16)
    return found
  }
}

/// Python's rules for the ends of slices.
enum Slicing {
  static func indices(from: Int?, to: Int?, step: Int, count: Int) -> [Int] {
    func clamped(_ index: Int, _ low: Int, _ high: Int) -> Int {
      // A negative index counts from the end; one far below it must not overflow.
      let index = index < 0 ? (index < -count ? low : index + count) : index
      return min(max(index, low), high)
    }
    if step > 0 {
      let (begin, end) = (from.map { clamped($0, 0, count) } ?? 0, to.map { clamped($0, 0, count) } ?? count)
      return begin < end ? Array(stride(from: begin, to: end, by: step)) : []
    }
    let (begin, end) = (from.map { clamped($0, -1, count - 1) } ?? count - 1, to.map { clamped($0, -1, count - 1) } ?? -1)
    return begin > end ? Array(stride(from: begin, to: end, by: step)) : []
  }
}

extension Value {
  init(_ number: Number) {
    switch number {
    case .int(let value): self = .int(value)
    case .float(let value): self = .float(value)
    }
  }
}
