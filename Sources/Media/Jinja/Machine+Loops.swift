/// What `loop` stands for inside of a loop.
public final class LoopState {
  let values: [Value]
  let depth0: Int
  var index0 = 0
  /// Renders the loop's body for other values, where the loop is recursive.
  let again: ((Value, Int) throws -> Value)?
  /// What `changed` was last given.
  var last: [Value]?

  init(_ values: [Value], depth0: Int, again: ((Value, Int) throws -> Value)?) {
    (self.values, self.depth0, self.again) = (values, depth0, again)
  }

  /// A member; nil where there is none of this name.
  func member(_ name: String) -> Value? {
    switch name {
    case "index": .int(index0 + 1)
    case "index0": .int(index0)
    case "revindex": .int(values.count - index0)
    case "revindex0": .int(values.count - index0 - 1)
    case "first": .bool(index0 == 0)
    case "last": .bool(index0 == values.count - 1)
    case "length": .int(values.count)
    case "depth": .int(depth0 + 1)
    case "depth0": .int(depth0)
    case "previtem": index0 > 0 ? values[index0 - 1] : .undefined("the previous item")
    case "nextitem": index0 + 1 < values.count ? values[index0 + 1] : .undefined("the next item")
    case "cycle":
      .function(
        .init("loop.cycle") { [index0] _, arguments in
          guard !arguments.positional.isEmpty else { throw JinjaError(.failed, "loop.cycle is given nothing") }
          return arguments.positional[index0 % arguments.positional.count]
        })
    case "changed":
      .function(
        .init("loop.changed") { machine, arguments in
          let values = arguments.positional
          if let last = self.last, try machine.equal(.tuple(last), .tuple(values)) { return .bool(false) }
          self.last = values
          return .bool(true)
        })
    default: nil
    }
  }
}

extension Machine {
  func run(_ loop: Statement.Loop, _ scope: Scope) throws {
    let values = try evaluate(loop.values, scope)
    try run(loop, over: values, depth0: 0, scope)
  }

  private func run(_ loop: Statement.Loop, over values: Value, depth0: Int, _ scope: Scope) throws {
    let all = try elements(of: values)
    var chosen = all
    if let condition = loop.condition {
      chosen = try all.filter { value in
        let inner = Scope(parent: scope)
        try assign(value, to: loop.target, inner)
        return try evaluate(condition, inner).isTrue
      }
    }
    if chosen.isEmpty {
      _ = try run(loop.otherwise, Scope(parent: scope))
      return
    }
    if loop.isRecursive {
      try charge(1024)
      entangled.append(scope)
    }
    let again: ((Value, Int) throws -> Value)? =
      loop.isRecursive
      ? { [unowned self] values, depth0 in
        try deeper { .string(try captured { try run(loop, over: values, depth0: depth0, scope) }) }
      } : nil
    let state = LoopState(chosen, depth0: depth0, again: again)
    for (index, value) in chosen.enumerated() {
      try step()
      state.index0 = index
      let inner = Scope(parent: scope, ["loop": .loop(state)])
      try assign(value, to: loop.target, inner)
      if try run(loop.body, inner) == .breakLoop { break }
    }
  }
}
