/// Values as JSON, as Python's `json.dumps` writes them.
struct JSONText {
  /// What one level is moved in; nil for all on one line.
  let indent: String?
  /// Between elements, and between a name and its value.
  let separators: (element: String, name: String)
  let sortsKeys: Bool
  /// Writes everything beyond ASCII as an escape.
  let isASCII: Bool
  private var result = ""

  /// The text of a value.
  ///
  /// - Throws: `JinjaError` for a value that JSON has not.
  static func text(
    of value: Value, indent: String?, separators: (element: String, name: String), sortsKeys: Bool, isASCII: Bool,
    _ machine: Machine
  ) throws -> String {
    var writer = JSONText(indent: indent, separators: separators, sortsKeys: sortsKeys, isASCII: isASCII)
    try machine.charge(try machine.writtenSize(of: value, depth: 0) * 2)
    try writer.write(value, depth: 0, machine)
    try machine.charge(writer.result.utf8.count)
    return writer.result
  }

  private init(indent: String?, separators: (element: String, name: String), sortsKeys: Bool, isASCII: Bool) {
    (self.indent, self.separators, self.sortsKeys, self.isASCII) = (indent, separators, sortsKeys, isASCII)
  }

  private mutating func write(_ value: Value, depth: Int, _ machine: Machine) throws {
    switch value {
    case .none: result += "null"
    case .bool(let value): result += value ? "true" : "false"
    case .int(let value): result += "\(value)"
    case .float(let value):
      result += value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : PythonFloat.text(value)
    case .string(let text): write(string: text)
    case .list(let values), .tuple(let values):
      try write("[", "]", values, depth, machine) { writer, value in try writer.write(value, depth: depth + 1, machine) }
    case .dict(let dict):
      var pairs = Array(dict.pairs)
      if sortsKeys { pairs = try machine.sorted(pairs, isReversed: false) { $0.0 } }
      try write("{", "}", pairs, depth, machine) { writer, pair in
        try writer.write(key: pair.0)
        writer.result += writer.separators.name
        try writer.write(pair.1, depth: depth + 1, machine)
      }
    default: throw JinjaError(.failed, "a value of type \(value.type) cannot be written as JSON")
    }
  }

  private mutating func write<Element>(
    _ opening: String, _ closing: String, _ elements: [Element], _ depth: Int, _ machine: Machine,
    _ element: (inout JSONText, Element) throws -> Void
  ) throws {
    result += opening
    for (index, value) in elements.enumerated() {
      if index > 0 { result += separators.element }
      try breakLine(depth + 1, machine)
      try element(&self, value)
    }
    if !elements.isEmpty { try breakLine(depth, machine) }
    result += closing
  }

  private mutating func breakLine(_ depth: Int, _ machine: Machine) throws {
    guard let indent else { return }
    try machine.charge(indent.utf8.count * depth)
    result += "\n" + String(repeating: indent, count: depth)
  }

  private mutating func write(key: Value) throws {
    switch key {
    case .string(let text): write(string: text)
    case .none: result += "\"null\""
    case .bool(let value): result += value ? "\"true\"" : "\"false\""
    case .int, .float: result += "\"\(key.literal)\""
    default: throw JinjaError(.failed, "a value of type \(key.type) cannot be a name in JSON")
    }
  }

  private mutating func write(string: String) {
    result += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case _ where scalar.value < 0x20 || isASCII && scalar.value > 0x7E:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      default: result.unicodeScalars.append(scalar)
      }
    }
    result += "\""
  }
}
