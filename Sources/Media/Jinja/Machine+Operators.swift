import Foundation

extension Machine {
  /// A chain of comparisons: each with its neighbour, up to the first that is false.
  func compare(
    _ first: Expression, _ rest: [(operation: Expression.Comparison, value: Expression)], _ scope: Scope
  ) throws -> Bool {
    var left = try evaluate(first, scope)
    for (operation, expression) in rest {
      let right = try evaluate(expression, scope)
      if !(try holds(operation, left, right)) { return false }
      left = right
    }
    return true
  }

  private func holds(_ operation: Expression.Comparison, _ left: Value, _ right: Value) throws -> Bool {
    switch operation {
    case .equal: try equal(left, right)
    case .notEqual: try !equal(left, right)
    case .less: try isLess(left, right)
    case .lessOrEqual: try isLess(left, right, orEqual: true)
    case .greater: try isLess(right, left)
    case .greaterOrEqual: try isLess(right, left, orEqual: true)
    case .isIn: try contains(right, left)
    case .isNotIn: try !contains(right, left)
    }
  }

  /// Python's `==`, counted.
  func equal(_ left: Value, _ right: Value) throws -> Bool {
    switch (left, right) {
    case (.string(let text), .string): try scan(text)
    case (.list, .list), (.tuple, .tuple), (.view, .view), (.dict, .dict): try requireFlat(left)
    default: break
    }
    return left.equals(right)
  }

  /// Python's `<` and `<=`.
  func isLess(_ left: Value, _ right: Value, orEqual: Bool = false) throws -> Bool {
    if let left = left.number, let right = right.number {
      if case .int(let left) = left, case .int(let right) = right { return orEqual ? left <= right : left < right }
      return orEqual ? left.double <= right.double : left.double < right.double
    }
    switch (left, right) {
    case (.string(let left), .string(let right)):
      try scan(left)
      // The order of UTF-8 is that of code points.
      return orEqual ? !right.utf8.lexicographicallyPrecedes(left.utf8) : left.utf8.lexicographicallyPrecedes(right.utf8)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      for (left, right) in zip(left, right) where try !equal(left, right) { return try isLess(left, right, orEqual: orEqual) }
      return orEqual ? left.count <= right.count : left.count < right.count
    case (.undefined(let name), _), (_, .undefined(let name)): throw undefined(name)
    default: throw failure("values of type \(left.type) and \(right.type) have no order")
    }
  }

  /// Python's `in`.
  func contains(_ container: Value, _ value: Value) throws -> Bool {
    switch container {
    case .string(let text):
      guard case .string(let part) = value else { throw failure("a string cannot hold a value of type \(value.type)") }
      try scan(text)
      return PythonString.contains(part, in: text)
    case .list(let values), .tuple(let values), .view("dict_values", let values):
      return try values.contains { try equal($0, value) }
    case .view(_, let values):
      try requireKey(value)
      return try values.contains { try equal($0, value) }
    case .dict(let dict):
      try requireKey(value)
      try step(1 + dict.count / 4)
      return dict[value] != nil
    case .range(let range): return try elements(of: .range(range)).contains { $0.equals(value) }
    case .iterator(let iterator):
      while let next = iterator.next() { if try equal(next, value) { return true } }
      return false
    case .undefined: return false
    default: throw failure("a value of type \(container.type) holds nothing that \"in\" could find")
    }
  }

  func calculate(_ operation: Expression.Arithmetic, _ left: Value, _ right: Value) throws -> Value {
    if let left = left.number, let right = right.number {
      if case .int(let left) = left, case .int(let right) = right { return try whole(operation, left, right) }
      return .float(try fraction(operation, left.double, right.double))
    }
    switch (operation, left, right) {
    case (_, .view, _), (_, _, .view), (.modulo, .string, .undefined):
      throw JinjaError(.unsupported, "\(operation.rawValue) for values of type \(left.type) and \(right.type)")
    case (_, .undefined(let name), _), (_, _, .undefined(let name)): throw undefined(name)
    case (.add, .string(let left), .string(let right)): return try string(left + right)
    case (.add, .list(let left), .list(let right)): return try list(left + right)
    case (.add, .tuple(let left), .tuple(let right)):
      try charge((left.count + right.count) * 16)
      return .tuple(left + right)
    case (.multiply, .string, _), (.multiply, .list, _), (.multiply, .tuple, _): return try repeated(left, right)
    case (.multiply, _, .string), (.multiply, _, .list), (.multiply, _, .tuple): return try repeated(right, left)
    case (.modulo, .string(let format), _): return try string(try Formatting.percent(format, right))
    default:
      throw failure("\(operation.rawValue) is not for values of type \(left.type) and \(right.type)")
    }
  }

  private func repeated(_ value: Value, _ times: Value) throws -> Value {
    guard case .int(let count)? = times.number else {
      throw failure("a value of type \(value.type) cannot be repeated \(times.literal) times")
    }
    func bounded(_ size: Int) throws -> Int {
      let (all, overflows) = size.multipliedReportingOverflow(by: max(0, count))
      try charge(overflows ? Int(Int32.max) : min(all, Int(Int32.max)))
      return size == 0 ? 0 : max(0, count)
    }
    switch value {
    case .string(let text): return .string(String(repeating: text, count: try bounded(text.utf8.count)))
    case .list(let values): return .list(Array(repeatElement(values, count: try bounded(values.count * 16)).joined()))
    case .tuple(let values): return .tuple(Array(repeatElement(values, count: try bounded(values.count * 16)).joined()))
    default: return value
    }
  }

  private func whole(_ operation: Expression.Arithmetic, _ left: Int, _ right: Int) throws -> Value {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = left.addingReportingOverflow(right)
    case .subtract: result = left.subtractingReportingOverflow(right)
    case .multiply: result = left.multipliedReportingOverflow(by: right)
    case .divide:
      if right == 0 { throw failure("division by 0") }
      return .float(Double(left) / Double(right))
    case .floorDivide, .modulo:
      if right == 0 { throw failure("division by 0") }
      let (quotient, overflow) = left.dividedReportingOverflow(by: right)
      let rest = overflow ? 0 : left % right
      // Python rounds down, Swift towards 0.
      let isBelow = rest != 0 && (rest < 0) != (right < 0)
      result = operation == .modulo ? (isBelow ? rest + right : rest, false) : (isBelow ? quotient - 1 : quotient, overflow)
    case .power: return try power(left, right)
    }
    if result.overflow { throw JinjaError(.unsupported, "a whole number of more than 64 bits") }
    return .int(result.partialValue)
  }

  private func power(_ base: Int, _ exponent: Int) throws -> Value {
    if exponent < 0 {
      if base == 0 { throw failure("0 has no negative power") }
      return .float(pow(Double(base), Double(exponent)))
    }
    if base == 0 || base == 1 || exponent == 0 { return .int(exponent == 0 ? 1 : base) }
    if base == -1 { return .int(exponent % 2 == 0 ? 1 : -1) }
    var result = 1
    for _ in 0..<min(exponent, 64) {
      let (product, overflow) = result.multipliedReportingOverflow(by: base)
      if overflow { throw JinjaError(.unsupported, "a whole number of more than 64 bits") }
      result = product
    }
    return .int(result)
  }

  private func fraction(_ operation: Expression.Arithmetic, _ left: Double, _ right: Double) throws -> Double {
    switch operation {
    case .add: return left + right
    case .subtract: return left - right
    case .multiply: return left * right
    case .divide, .floorDivide, .modulo:
      if right == 0 { throw failure("division by 0") }
      if operation == .divide { return left / right }
      var rest = fmod(left, right)
      if rest == 0 {
        rest = right < 0 ? -0.0 : 0.0
      } else if (rest < 0) != (right < 0) {
        rest += right
      }
      return operation == .modulo ? rest : ((left - rest) / right).rounded()
    case .power:
      if left == 0, right < 0 { throw failure("0 has no negative power") }
      if left < 0, right != right.rounded() { throw JinjaError(.unsupported, "a complex number") }
      return pow(left, right)
    }
  }

  func negated(_ value: Value) throws -> Value {
    switch value.number {
    case .int(let value)?:
      if value == .min { throw JinjaError(.unsupported, "a whole number of more than 64 bits") }
      return .int(-value)
    case .float(let value)?: return .float(-value)
    case nil:
      if case .undefined(let name) = value { throw undefined(name) }
      throw failure("- is not for values of type \(value.type)")
    }
  }
}
