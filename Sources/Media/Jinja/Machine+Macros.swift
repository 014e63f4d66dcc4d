extension Machine {
  func define(_ name: String, _ signature: Statement.Signature, _ body: [Statement], _ scope: Scope) throws {
    scope.variables[name] = .function(try macro(name, signature, body, scope))
  }

  func runCallBlock(_ call: Expression, _ signature: Statement.Signature, _ body: [Statement], _ scope: Scope) throws {
    guard case .call(let called, let given) = call.form else { return }
    let caller = try macro("caller", signature, body, scope)
    var arguments = try evaluate(given, scope)
    arguments.named.append(("caller", .function(caller)))
    line = call.line
    try write(try text(try self.call(try evaluate(called, scope), arguments)))
  }

  /// A macro sees its arguments and what its place in the template sees, at the time when it is called.
  private func macro(
    _ name: String, _ signature: Statement.Signature, _ body: [Statement], _ scope: Scope
  ) throws -> Value.Function {
    try charge(1024)
    entangled.append(scope)
    return .init(name) { machine, arguments in
      let inner = Scope(parent: scope)
      var named = arguments.named
      func take(_ name: String) -> Value? {
        named.firstIndex { $0.name == name }.map { named.remove(at: $0).value }
      }
      let firstDefault = signature.names.count - signature.defaults.count
      var missing: [(name: String, index: Int)] = []
      for (index, parameter) in signature.names.enumerated() {
        if index < arguments.positional.count {
          inner.variables[parameter] = arguments.positional[index]
        } else if let value = take(parameter) {
          inner.variables[parameter] = value
        } else {
          missing.append((parameter, index))
        }
      }
      for (parameter, index) in missing {
        let value =
          index < firstDefault
          ? Value.undefined("parameter '\(parameter)' was not provided")
          : try machine.evaluate(signature.defaults[index - firstDefault], inner)
        inner.variables[parameter] = value
      }
      if signature.takes.contains("caller"), !signature.names.contains("caller") {
        inner.variables["caller"] = take("caller") ?? .undefined("caller")
      }
      let surplus = Array(arguments.positional.dropFirst(signature.names.count))
      if signature.takes.contains("kwargs") {
        var dict = Dict()
        for (name, value) in named { dict[.string(name)] = value }
        inner.variables["kwargs"] = .dict(dict)
      } else if let (name, _) = named.first {
        throw JinjaError(.failed, "the macro has no argument \"\(name)\"")
      }
      if signature.takes.contains("varargs") {
        inner.variables["varargs"] = .tuple(surplus)
      } else if !surplus.isEmpty {
        throw JinjaError(.failed, "a macro of \(signature.names.count) arguments is given \(arguments.positional.count)")
      }
      for value in inner.variables.values { try machine.requireFlat(value) }
      let text = try machine.deeper { try machine.captured { _ = try machine.run(body, inner) } }
      return .string(text)
    }
  }
}
