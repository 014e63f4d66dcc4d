extension Machine {
  /// How a block ended.
  enum Flow { case onward, breakLoop, continueLoop }

  /// Carries out statements one after another.
  func run(_ body: [Statement], _ scope: Scope) throws -> Flow {
    try deeper {
      for statement in body {
        try step()
        line = statement.line
        let flow = try run(statement, scope)
        if flow != .onward { return flow }
      }
      return .onward
    }
  }

  private func run(_ statement: Statement, _ scope: Scope) throws -> Flow {
    switch statement.form {
    case .text(let text): try write(text)
    case .output(let expression): try writeValue(expression, scope)
    case .choice(let branches, let otherwise): return try choose(branches, otherwise, scope)
    case .loop(let loop): try run(loop, scope)
    case .set(let target, let expression): try assign(try evaluate(expression, scope), to: target, scope)
    case .setBlock(let target, let filters, let body):
      try assign(try filtered(filters, text: body, Scope(parent: scope), scope), to: target, scope)
    case .macro(let name, let signature, let body): try define(name, signature, body, scope)
    case .callBlock(let call, let signature, let body): try runCallBlock(call, signature, body, scope)
    case .filterBlock(let filters, let body):
      try write(try text(try filtered(filters, text: body, Scope(parent: scope), scope)))
    case .with(let values, let body): return try runWith(values, body, scope)
    case .generation(let body): try write(try captured { _ = try run(body, Scope(parent: scope)) })
    case .breakLoop: return .breakLoop
    case .continueLoop: return .continueLoop
    }
    return .onward
  }

  private func writeValue(_ expression: Expression, _ scope: Scope) throws {
    // Nothing is escaped here, so what "safe" says has no effect where it is the last word.
    var expression = expression
    while case .filter(let value, let call) = expression.form, call.name == "safe", call.arguments.parts.isEmpty {
      expression = value
    }
    try write(try text(try evaluate(expression, scope)))
  }

  private func choose(
    _ branches: [(condition: Expression, body: [Statement])], _ otherwise: [Statement], _ scope: Scope
  ) throws -> Flow {
    for branch in branches where try evaluate(branch.condition, scope).isTrue { return try run(branch.body, scope) }
    return try run(otherwise, scope)
  }

  private func runWith(_ values: [(target: Target, value: Expression)], _ body: [Statement], _ scope: Scope) throws -> Flow {
    let inner = Scope(parent: scope)
    let found = try values.map { try evaluate($0.value, scope) }
    for (value, entry) in zip(found, values) { try assign(value, to: entry.target, inner) }
    return try run(body, inner)
  }

  private func filtered(_ filters: [FilterCall], text body: [Statement], _ inner: Scope, _ scope: Scope) throws -> Value {
    let text = try captured { _ = try run(body, inner) }
    return try filters.reduce(.string(text)) { try apply($1, to: $0, scope) }
  }

  /// Gives a name, or several, a value in this scope.
  func assign(_ value: Value, to target: Target, _ scope: Scope) throws {
    try requireFlat(value)
    try place(value, target, scope)
  }

  private func place(_ value: Value, _ target: Target, _ scope: Scope) throws {
    switch target {
    case .name(let name): scope.variables[name] = value
    case .member(let name, let member):
      guard case .namespace(let namespace)? = scope.value(of: name) else {
        throw failure("\"\(name)\" is no namespace, so \"\(name).\(member)\" cannot be assigned to")
      }
      try Functions.requireMember(member)
      if case .namespace = value { throw JinjaError(.unsupported, "a namespace inside of another value") }
      try step(namespace.members.count)
      namespace.members[.string(member)] = value
    case .tuple(let targets):
      let values = try elements(of: value)
      if values.count != targets.count {
        throw failure("\(values.count) values cannot be assigned to \(targets.count) names")
      }
      for (value, target) in zip(values, targets) { try place(value, target, scope) }
    }
  }
}
