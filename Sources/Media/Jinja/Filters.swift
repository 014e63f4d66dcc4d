/// Filters, the words behind `|`.
enum Filters {
  typealias Filter = @Sendable (Machine, Value, Arguments) throws -> Value

  static let all: [String: Filter] = text.merging(sequences) { $1 }.merging(values) { $1 }

  /// Filters of single values.
  static let values: [String: Filter] = [
    "default": defaulted, "d": defaulted,
    "abs": { machine, value, _ in
      switch value.number {
      case .int(let number)?:
        if number == .min { throw JinjaError(.unsupported, "a whole number of more than 64 bits") }
        return .int(abs(number))
      case .float(let number)?: return .float(abs(number))
      case nil: throw machine.failure("\"abs\" is not for values of type \(value.type)")
      }
    },
    "int": { _, value, arguments in
      let given = try arguments.bound(to: "default", "base", of: "the filter \"int\"")
      if let base = given[1], !base.equals(.int(10)) { throw JinjaError(.unsupported, "the filter \"int\" with a base") }
      return try Numbers.whole(value) ?? given[0] ?? .int(0)
    },
    "float": { machine, value, arguments in
      let given = try arguments.bound(to: "default", of: "the filter \"float\"")
      if case .undefined(let name) = value { throw machine.undefined(name) }
      return Numbers.fraction(value).map { .float($0) } ?? given[0] ?? .float(0)
    },
    "round": { machine, value, arguments in try Numbers.rounded(value, arguments, machine) },
    "attr": { machine, value, arguments in
      let name = try arguments.bound(to: "name", required: 1, of: "the filter \"attr\"")[0] ?? .none
      return try machine.property(try name.string("the name for \"attr\""), of: value)
    },
    "tojson": { machine, value, arguments in
      let given = try arguments.bound(
        to: "ensure_ascii", "indent", "separators", "sort_keys", of: "the filter \"tojson\"")
      var indent: String?
      switch given[1] {
      case nil, .some(.none): break
      case .string(let text)?: indent = text
      case let number?: indent = String(repeating: " ", count: min(64, max(0, try number.integer("the indent of \"tojson\""))))
      }
      var separators = (element: indent == nil ? ", " : ",", name: ": ")
      if let pair = given[2], !pair.equals(.none) {
        let parts = try machine.elements(of: pair).map { try $0.string("a separator of \"tojson\"") }
        if parts.count != 2 { throw machine.failure("\"tojson\" needs two separators") }
        separators = (parts[0], parts[1])
      }
      return .string(
        try JSONText.text(
          of: value, indent: indent, separators: separators, sortsKeys: given[3]?.isTrue ?? false,
          isASCII: given[0]?.isTrue ?? false,
          machine))
    },
  ]

  private static let defaulted: Filter = { _, value, arguments in
    let given = try arguments.bound(to: "default_value", "boolean", of: "the filter \"default\"")
    let replaces = value.isUndefined || (given[1]?.isTrue ?? false) && !value.isTrue
    return replaces ? given[0] ?? .string("") : value
  }
}

extension Machine {
  /// `value | filter(arguments)`.
  func apply(_ filter: FilterCall, to value: Value, _ scope: Scope) throws -> Value {
    let arguments = try evaluate(filter.arguments, scope)
    line = filter.line
    return try apply(filter.name, to: value, arguments)
  }

  func apply(_ name: String, to value: Value, _ arguments: Arguments) throws -> Value {
    guard let filter = Filters.all[name] else { throw JinjaError(.unsupported, "the filter \"\(name)\"") }
    return try deeper {
      try step()
      return try filter(self, value, arguments)
    }
  }

  /// A method or property alone, without what a dict holds.
  func property(_ name: String, of value: Value) throws -> Value {
    if case .undefined(let missing) = value { throw undefined(missing) }
    if case .dict(let dict) = value { return try DictMethods.method(name, of: dict) ?? .undefined(name) }
    return try attribute(name, of: value, line: line)
  }
}

/// Numbers of texts.
enum Numbers {
  /// Python's `int`; nil where that fails.
  static func whole(_ value: Value) throws -> Value? {
    if case .undefined(let name) = value { throw JinjaError(.failed, "\"\(name)\" is undefined") }
    func cut(_ number: Double) throws -> Value? {
      guard number.isFinite else { return nil }
      guard abs(number) < 9e18 else { throw JinjaError(.unsupported, "a whole number of more than 64 bits") }
      return .int(Int(number))
    }
    switch value {
    case .string(let text):
      let digits = PythonString.stripped(text)
      if let number = Int(digits) { return .int(number) }
      return try fraction(.string(digits)).flatMap { try cut($0) }
    default:
      switch value.number {
      case .int(let number)?: return .int(number)
      case .float(let number)?: return try cut(number)
      case nil: return nil
      }
    }
  }

  /// Python's `float`; nil where that fails.
  static func fraction(_ value: Value) -> Double? {
    guard case .string(let text) = value else { return value.number?.double }
    let digits = PythonString.stripped(text)
    let allowed = Set("0123456789+-.eE".utf8)
    if digits.utf8.allSatisfy(allowed.contains) {
      // Swift wants a digit on both sides of the point.
      if let number = Double(digits) { return number }
      if digits.hasSuffix("."), digits.utf8.count > 1 { return Double(digits + "0") }
      return nil
    }
    switch digits.lowercased() {
    case "inf", "+inf", "infinity", "+infinity": return .infinity
    case "-inf", "-infinity": return -.infinity
    case "nan", "+nan", "-nan": return .nan
    default: return nil
    }
  }

  static func rounded(_ value: Value, _ arguments: Arguments, _ machine: Machine) throws -> Value {
    let given = try arguments.bound(to: "precision", "method", of: "the filter \"round\"")
    let precision = try given[0]?.integer("the precision of \"round\"") ?? 0
    let method = try given[1]?.string("the method of \"round\"") ?? "common"
    guard let number = value.number else { throw machine.failure("\"round\" is not for values of type \(value.type)") }
    guard (0...12).contains(precision) else { throw JinjaError(.unsupported, "the filter \"round\" with precision \(precision)") }
    if method == "common" {
      guard case .float(let number) = number else { return Value(number) }
      guard number.isFinite else { return value }
      // Python rounds the exact value, halves to even.
      return .float(Double(Numbers.fixed(number, precision)) ?? number)
    }
    let scale = (0..<precision).reduce(1.0) { factor, _ in factor * 10 }
    switch method {
    case "ceil": return .float((number.double * scale).rounded(.up) / scale)
    case "floor": return .float((number.double * scale).rounded(.down) / scale)
    default: throw machine.failure("\"round\" knows common, ceil and floor, not \(method)")
    }
  }

}
