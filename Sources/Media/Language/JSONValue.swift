/// A JSON document whose strings are kept as UTF-8 bytes and whose objects keep every member.
///
/// Foundation's decoders put members into a `Dictionary<String, _>`, and Swift strings compare by canonical
/// equivalence: of two vocabulary entries spelt "é" and "e + U+0301", one would vanish. Bytes do not have that problem.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string([UInt8])
  case array([JSONValue])
  case object([Member])

  package struct Member: Sendable, Equatable {
    package let name: [UInt8]
    package let value: JSONValue
  }

  /// How a value is named in an error message.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// Reads one JSON document (RFC 8259) from bytes.
package struct JSONReader {
  /// What is wrong and how many bytes into the document.
  package struct Failure: Error {
    package let problem: String
    package let offset: Int
  }

  /// Deeper nesting is refused, so that a hostile file cannot exhaust the stack.
  private static let maximumDepth = 128
  private let bytes: [UInt8]
  private var position = 0

  /// Parses a whole document.
  package static func parse(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw Failure(problem: "not valid UTF-8", offset: 0)
    }
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    reader.skipWhitespace()
    if reader.position < bytes.count { throw reader.failure("unexpected text after the document") }
    return value
  }

  /// Visits what a document's outermost list or object holds, one value at a time, so that a file of hundreds of megabytes is never
  /// in memory as values.
  ///
  /// - Parameters:
  ///   - key: the member of the outermost object to visit in place of the object itself.
  ///   - body: gets the member's name (nil in a list), the value, and the byte at which it begins.
  /// - Returns: whether there was such a list or object.
  package static func visit(
    _ bytes: [UInt8], under key: String? = nil, _ body: (_ name: String?, _ value: JSONValue, _ offset: Int) -> Void
  ) throws(Failure) -> Bool {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw Failure(problem: "not valid UTF-8", offset: 0) }
    var reader = JSONReader(bytes: bytes)
    let found = try reader.visit(under: key, body)
    reader.skipWhitespace()
    if reader.position < bytes.count { throw reader.failure("unexpected text after the document") }
    return found
  }

  private mutating func visit(
    under key: String?, _ body: (_ name: String?, _ value: JSONValue, _ offset: Int) -> Void
  ) throws(Failure) -> Bool {
    skipWhitespace()
    guard current == UInt8(ascii: "{") || current == UInt8(ascii: "["), key == nil || current == UInt8(ascii: "{") else {
      _ = try value(depth: 0)
      return false
    }
    let isObject = current == UInt8(ascii: "{")
    var found = key == nil
    try list(closedBy: isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) { reader throws(Failure) in
      let name = isObject ? String(decoding: try reader.memberName(), as: UTF8.self) : nil
      reader.skipWhitespace()
      if let key, name == key {
        found = try reader.visit(under: nil, body)
      } else {
        let offset = reader.position
        let value = try reader.value(depth: 1)
        if key == nil { body(name, value, offset) }
      }
    }
    return found
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  private func failure(_ problem: String) -> Failure { Failure(problem: problem, offset: position) }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipWhitespace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func value(depth: Int) throws(Failure) -> JSONValue {
    if depth > Self.maximumDepth { throw failure("nested too deeply") }
    skipWhitespace()
    switch current {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case .none: throw failure("ends in the middle of a value")
    default: return try number()
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
    let length = word.utf8CodeUnitCount
    let matches = word.withUTF8Buffer { bytes[position...].prefix(length).elementsEqual($0) }
    if !matches { throw failure("unknown word") }
    position += length
    return value
  }

  private mutating func object(depth: Int) throws(Failure) -> JSONValue {
    var members: [JSONValue.Member] = []
    try list(closedBy: UInt8(ascii: "}")) { reader throws(Failure) in
      let name = try reader.memberName()
      members.append(.init(name: name, value: try reader.value(depth: depth + 1)))
    }
    return .object(members)
  }

  /// A member's name and the colon behind it.
  private mutating func memberName() throws(Failure) -> [UInt8] {
    skipWhitespace()
    if current != UInt8(ascii: "\"") { throw failure("a member name is missing") }
    let name = try string()
    skipWhitespace()
    if current != UInt8(ascii: ":") { throw failure("\":\" is missing") }
    position += 1
    return name
  }

  private mutating func array(depth: Int) throws(Failure) -> JSONValue {
    var elements: [JSONValue] = []
    try list(closedBy: UInt8(ascii: "]")) { reader throws(Failure) in
      elements.append(try reader.value(depth: depth + 1))
    }
    return .array(elements)
  }

  private mutating func list(
    closedBy closing: UInt8, element: (inout JSONReader) throws(Failure) -> Void
  ) throws(Failure) {
    position += 1
    skipWhitespace()
    if current == closing {
      position += 1
      return
    }
    while true {
      try element(&self)
      skipWhitespace()
      guard let byte = current else { throw failure("ends in the middle of a list or object") }
      guard byte == closing || byte == UInt8(ascii: ",") else { throw failure("\",\" is missing") }
      position += 1
      if byte == closing { return }
    }
  }

  private mutating func string() throws(Failure) -> [UInt8] {
    position += 1
    var result: [UInt8] = []
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return result
      case UInt8(ascii: "\\"): try escape(into: &result)
      case 0..<0x20: throw failure("a control character inside a string")
      default: result.append(byte)
      }
    }
    throw failure("ends in the middle of a string")
  }

  private mutating func escape(into result: inout [UInt8]) throws(Failure) {
    guard let byte = current else { throw failure("ends in the middle of a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "n"): result.append(0x0A)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "r"): result.append(0x0D)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0C)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), bytes[position...].starts(with: [0x5C, 0x75]) {
        position += 2
        let low = try hexadecimal()
        if (0xDC00..<0xE000).contains(low) { code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) }
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure("half of a surrogate pair") }
      result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default: throw failure("unknown escape")
    }
  }

  private mutating func hexadecimal() throws(Failure) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    let isHexadecimal = digits.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit }
    guard digits.count == 4, isHexadecimal, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("four hexadecimal digits are missing") }
    position += 4
    return code
  }

  private mutating func number() throws(Failure) -> JSONValue {
    let isNumeric: (UInt8) -> Bool = { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || [UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(byte)
    }
    let digits = bytes[position...].prefix(while: isNumeric)
    let text = String(decoding: digits, as: UTF8.self)
    if let integer = Int(text) {
      position += digits.count
      return .integer(integer)
    }
    guard let number = Double(text) else { throw failure("unexpected character") }
    position += digits.count
    return .number(number)
  }
}
