extension Value {
  /// Python's `str`, which is what a template writes.
  var text: String {
    switch self {
    case .undefined: ""
    case .string(let text): text
    default: literal
    }
  }

  /// Python's `repr`.
  var literal: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): "\(value)"
    case .float(let value): PythonFloat.text(value)
    case .string(let text): PythonString.literal(text)
    case .list(let values): "[" + Self.joined(values) + "]"
    case .tuple(let values): "(" + Self.joined(values) + (values.count == 1 ? ",)" : ")")
    case .dict(let dict): "{" + dict.pairs.map { "\($0.literal): \($1.literal)" }.joined(separator: ", ") + "}"
    case .view(let name, let values): "\(name)([\(Self.joined(values))])"
    case .range(let range): "range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))"
    case .iterator: "<generator object>"
    case .namespace(let namespace): "<Namespace \(Value.dict(namespace.members).literal)>"
    case .function(let function): "<function \(function.name)>"
    case .loop(let loop): "<LoopContext \(loop.index0 + 1)/\(loop.values.count)>"
    }
  }

  private static func joined(_ values: [Value]) -> String { values.map(\.literal).joined(separator: ", ") }
}

/// Numbers with a fraction as Python writes them.
enum PythonFloat {
  static func text(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
    let (digits, exponent) = shortest(value.magnitude)
    let sign = value < 0 ? "-" : ""
    guard (-4..<16).contains(exponent) else {
      let rest = digits.dropFirst()
      let power = (exponent < 0 ? "-" : "+") + (abs(exponent) < 10 ? "0" : "") + "\(abs(exponent))"
      return sign + String(digits.prefix(1)) + (rest.isEmpty ? "" : "." + String(rest)) + "e" + power
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    if digits.count <= exponent + 1 { return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0" }
    return sign + String(digits.prefix(exponent + 1)) + "." + String(digits.dropFirst(exponent + 1))
  }

  /// The fewest digits that say which number it is, and the power of ten of the first of them.
  private static func shortest(_ value: Double) -> (digits: String, exponent: Int) {
    let parts = "\(value)".split(separator: "e")
    let power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let whole = mantissa[0]
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    let all = whole + fraction
    let leading = all.prefix { $0 == "0" }.count
    var digits = String(all.dropFirst(leading))
    while digits.hasSuffix("0") { digits.removeLast() }
    return (digits.isEmpty ? "0" : digits, whole.count - 1 - leading + power)
  }
}

extension Machine {
  /// Python's `str` of a value, bounded.
  func text(_ value: Value) throws -> String {
    if case .string(let text) = value { return text }
    // Before it is made: a list may hold one long text many times.
    try charge(writtenSize(of: value, depth: 0))
    return value.text
  }

  /// About how many bytes a value takes when it is written, at least.
  func writtenSize(of value: Value, depth: Int) throws -> Int {
    if depth > Self.maximumNesting { throw JinjaError(.exceeded, "writes a value that is nested too deeply") }
    func sum(_ values: [Value]) throws -> Int {
      try values.reduce(2) { total, element in
        if total > Self.maximumBytes { throw JinjaError(.exceeded, "writes too much text") }
        return total + 2 + (try writtenSize(of: element, depth: depth + 1))
      }
    }
    switch value {
    case .string(let text): return text.utf8.count + 2
    case .list(let values), .tuple(let values), .view(_, let values): return try sum(values)
    case .dict(let dict): return try sum(dict.keys) + sum(dict.values)
    case .namespace(let namespace): return try sum(namespace.members.values)
    default: return 24
    }
  }
}
