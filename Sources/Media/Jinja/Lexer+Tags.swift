extension Lexer {
  /// Operators and brackets, the longer ones first.
  private static let marks: [StaticString] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|",
    ",", ";",
  ]
  private static let closing: [String: String] = ["(": ")", "[": "]", "{": "}"]

  /// Reads what stands in a tag, and its end.
  mutating func readTag(isBlock: Bool) throws {
    let begin = line
    /// Brackets that are still to be closed; inside of them the end of a tag is none.
    var awaited: [String] = []
    while true {
      advance(to: afterWhitespace(position))
      guard position < bytes.count else { throw JinjaError(.syntax, "a tag has no end", line: begin) }
      if awaited.isEmpty, let end = tagEnd(isBlock: isBlock) {
        tokens.append(Token(kind: isBlock ? .blockEnd : .variableEnd, text: "", line: line))
        return advance(to: end)
      }
      let token = try token()
      if token.kind == .mark {
        if let closing = Self.closing[token.text] { awaited.append(closing) }
        if [")", "]", "}"].contains(token.text), awaited.popLast() != token.text {
          throw JinjaError(.syntax, "\"\(token.text)\" stands where nothing is to be closed by it", line: line)
        }
      }
      tokens.append(token)
      isLineStart = false
    }
  }

  private func tagEnd(isBlock: Bool) -> Int? {
    if isBlock {
      if has("+%}", at: position) { return position + 3 }
      if has("-%}", at: position) { return afterWhitespace(position + 3) }
      return has("%}", at: position) ? afterEnd(position + 2, sign: nil, dropsNewline: true) : nil
    }
    if has("-}}", at: position) { return afterWhitespace(position + 3) }
    return has("}}", at: position) ? position + 2 : nil
  }

  private mutating func token() throws -> Token {
    let first = bytes[position]
    if Self.isDigit(first) { return try number() }
    if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") { return try string(quote: first) }
    if Self.isNamePart(first) {
      let end = bytes[position...].firstIndex { !Self.isNamePart($0) && !Self.isDigit($0) } ?? bytes.count
      defer { advance(to: end) }
      return Token(kind: .name, text: String(decoding: bytes[position..<end], as: UTF8.self), line: line)
    }
    for mark in Self.marks where has(mark, at: position) {
      defer { advance(to: position + mark.utf8CodeUnitCount) }
      return Token(kind: .mark, text: "\(mark)", line: line)
    }
    throw JinjaError(.syntax, "unexpected character \"\(Character(Unicode.Scalar(first)))\"", line: line)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...: true
    default: false
    }
  }

  /// A number as Python writes it; underscores between digits are dropped.
  private mutating func number() throws -> Token {
    var end = position
    func isDigitBehind(_ place: Int) -> Bool { place < bytes.count && Self.isDigit(bytes[place]) }
    func digits() {
      while end < bytes.count, Self.isDigit(bytes[end]) || bytes[end] == UInt8(ascii: "_") && isDigitBehind(end + 1) { end += 1 }
    }
    if bytes[position] == UInt8(ascii: "0"), position + 1 < bytes.count, Array("xXoObB".utf8).contains(bytes[position + 1]) {
      throw JinjaError(.unsupported, "a number that is not decimal", line: line)
    }
    digits()
    var kind = Token.Kind.integer
    let isBehindPoint = position > 0 && bytes[position - 1] == UInt8(ascii: ".")
    if !isBehindPoint {
      if end < bytes.count, bytes[end] == UInt8(ascii: "."), isDigitBehind(end + 1) {
        kind = .float
        end += 1
        digits()
      }
      if end < bytes.count, bytes[end] | 0x20 == UInt8(ascii: "e") {
        let hasSign = end + 1 < bytes.count && (bytes[end + 1] == UInt8(ascii: "-") || bytes[end + 1] == UInt8(ascii: "+"))
        if isDigitBehind(end + (hasSign ? 2 : 1)) {
          kind = .float
          end += hasSign ? 2 : 1
          digits()
        }
      }
    }
    let text = String(decoding: bytes[position..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    if kind == .integer, text.count > 1, text.hasPrefix("0"), text.contains(where: { $0 != "0" }) {
      throw JinjaError(.syntax, "\"\(text)\" begins with 0", line: line)
    }
    defer { advance(to: end) }
    return Token(kind: kind, text: text, line: line)
  }

  private mutating func string(quote: UInt8) throws -> Token {
    let begin = line
    var end = position + 1
    while end < bytes.count, bytes[end] != quote { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
    guard end < bytes.count else { throw JinjaError(.syntax, "a string has no end", line: begin) }
    let text = try StringEscapes.resolved(bytes[position + 1..<end], line: begin)
    advance(to: end + 1)
    return Token(kind: .string, text: text, line: begin)
  }
}

/// Escapes in string literals, as Python's codec unicode_escape reads them.
enum StringEscapes {
  static func resolved(_ bytes: ArraySlice<UInt8>, line: Int) throws -> String {
    guard bytes.contains(UInt8(ascii: "\\")) else { return String(decoding: bytes, as: UTF8.self) }
    var result: [UInt8] = []
    var rest = bytes
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch kind {
      case 0x0A: break
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(kind)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "a"): result.append(0x07)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "v"): result.append(0x0B)
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        var digits = [kind]
        while digits.count < 3, let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) {
          digits.append(digit)
          rest.removeFirst()
        }
        result += try scalar(digits, radix: 8, line)
      case UInt8(ascii: "x"): result += try scalar(&rest, digits: 2, line)
      case UInt8(ascii: "u"): result += try scalar(&rest, digits: 4, line)
      case UInt8(ascii: "U"): result += try scalar(&rest, digits: 8, line)
      case UInt8(ascii: "N"): throw JinjaError(.unsupported, "a character by its name (\\N)", line: line)
      default: result += [byte, kind]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func scalar(_ rest: inout ArraySlice<UInt8>, digits: Int, _ line: Int) throws -> [UInt8] {
    let found = rest.prefix(digits)
    guard found.count == digits else { throw JinjaError(.syntax, "an escape in a string is cut off", line: line) }
    rest = rest.dropFirst(digits)
    return try scalar(Array(found), radix: 16, line)
  }

  private static func scalar(_ digits: [UInt8], radix: Int, _ line: Int) throws -> [UInt8] {
    let text = String(decoding: digits, as: UTF8.self)
    guard let code = UInt32(text, radix: radix), let scalar = Unicode.Scalar(code), let bytes = UTF8.encode(scalar) else {
      throw JinjaError(.syntax, "an escape in a string, \"\(text)\", is no character", line: line)
    }
    return Array(bytes)
  }
}
