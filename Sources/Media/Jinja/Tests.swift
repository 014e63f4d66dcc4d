extension Machine {
  /// `value is test(arguments)`.
  func passes(_ value: Value, _ test: FilterCall, _ scope: Scope) throws -> Bool {
    let arguments = try evaluate(test.arguments, scope)
    line = test.line
    return try passes(value, test.name, arguments)
  }

  func passes(_ value: Value, _ name: String, _ arguments: Arguments) throws -> Bool {
    if let comparison = Tests.comparisons[name] {
      let other = try arguments.bound(to: "b", required: 1, of: "the test \"\(name)\"")[0] ?? .none
      switch comparison {
      case .equal: return try equal(value, other)
      case .notEqual: return try !equal(value, other)
      case .less: return try isLess(value, other)
      case .lessOrEqual: return try isLess(value, other, orEqual: true)
      case .greater: return try isLess(other, value)
      case .greaterOrEqual: return try isLess(other, value, orEqual: true)
      case .isIn: return try contains(other, value)
      case .isNotIn: return try !contains(other, value)
      }
    }
    switch name {
    case "divisibleby":
      let divisor = try arguments.bound(to: "num", required: 1, of: "the test \"divisibleby\"")[0] ?? .none
      return try calculate(.modulo, value, divisor).equals(.int(0))
    case "sameas":
      let other = try arguments.bound(to: "other", required: 1, of: "the test \"sameas\"")[0] ?? .none
      return try Tests.isSame(value, other)
    case "even", "odd": return try calculate(.modulo, value, .int(2)).equals(.int(name == "odd" ? 1 : 0))
    case "filter": return Filters.all[try value.string("the name of a filter")] != nil
    case "test": return try Tests.isKnown(try value.string("the name of a test"))
    default: break
    }
    guard let test = Tests.kinds[name] else { throw JinjaError(.unsupported, "the test \"\(name)\"") }
    _ = try arguments.bound(of: "the test \"\(name)\"")
    return test(value)
  }
}

/// Tests, the words behind `is`.
enum Tests {
  static let comparisons: [String: Expression.Comparison] = [
    "==": .equal, "eq": .equal, "equalto": .equal, "!=": .notEqual, "ne": .notEqual, "<": .less, "lt": .less, "lessthan": .less,
    "<=": .lessOrEqual, "le": .lessOrEqual, ">": .greater, "gt": .greater, "greaterthan": .greater, ">=": .greaterOrEqual,
    "ge": .greaterOrEqual, "in": .isIn,
  ]

  static let kinds: [String: @Sendable (Value) -> Bool] = [
    "defined": { !$0.isUndefined },
    "undefined": { $0.isUndefined },
    "none": { if case .none = $0 { true } else { false } },
    "boolean": { if case .bool = $0 { true } else { false } },
    "true": { if case .bool(true) = $0 { true } else { false } },
    "false": { if case .bool(false) = $0 { true } else { false } },
    "integer": { if case .int = $0 { true } else { false } },
    "float": { if case .float = $0 { true } else { false } },
    "number": { $0.number != nil },
    "string": { if case .string = $0 { true } else { false } },
    "mapping": { if case .dict = $0 { true } else { false } },
    "iterable": {
      switch $0 {
      case .undefined, .string, .list, .tuple, .dict, .view, .range, .iterator, .loop: true
      default: false
      }
    },
    "sequence": {
      switch $0 {
      case .string, .list, .tuple, .dict, .range: true
      // A value that is not defined has every special method, so jinja2 takes it for one.
      case .undefined: true
      default: false
      }
    },
    "callable": {
      switch $0 {
      case .function, .loop, .undefined: true
      default: false
      }
    },
    "lower": { CharacterKind.isLower($0.text) },
    "upper": { CharacterKind.isUpper($0.text) },
    "escaped": { _ in false },
  ]

  static func isKnown(_ name: String) throws -> Bool {
    comparisons[name] != nil || kinds[name] != nil || ["divisibleby", "sameas", "even", "odd", "filter", "test"].contains(name)
  }

  /// Python's `is`, for values of which that does not depend on how Python keeps them.
  static func isSame(_ left: Value, _ right: Value) throws -> Bool {
    switch (left, right) {
    case (.none, .none): true
    case (.bool(let left), .bool(let right)): left == right
    case (.namespace(let left), .namespace(let right)): left === right
    case (.int, .int), (.float, .float), (.string, .string), (.list, .list), (.tuple, .tuple), (.dict, .dict):
      if left.equals(right) {
        throw JinjaError(.unsupported, "the test \"sameas\" for equal values of type \(left.type)")
      } else {
        false
      }
    default: false
    }
  }
}
