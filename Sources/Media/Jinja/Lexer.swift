import Basics

/// Cuts a template into text and tags, with the settings of transformers: the newline behind a block is dropped, and so are blanks
/// between the beginning of a line and a block or a comment.
///
/// A minus sign inside a tag takes all white space on its side, a plus sign keeps what these settings would drop.
struct Lexer {
  /// Longer templates are refused; the longest in use have some tens of kilobytes.
  private static let maximumBytes = 1 << 20

  let bytes: [UInt8]
  var position = 0
  var line = 1
  var tokens: [Token] = []
  /// Whether what was read last ends with a newline, so that blanks here stand at the beginning of a line.
  var isLineStart = true

  /// The tokens of a template, the last one `.end`.
  static func tokens(of source: String) throws -> [Token] {
    guard source.utf8.count <= maximumBytes else { throw JinjaError(.exceeded, "has more than \(maximumBytes) bytes", line: 1) }
    var lexer = Lexer(bytes: withLineFeeds(Array(source.utf8)))
    while lexer.position < lexer.bytes.count { try lexer.readTextAndTag() }
    lexer.tokens.append(Token(kind: .end, text: "", line: lexer.line))
    return lexer.tokens
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Every line end as one byte; one at the end of the file belongs to the editor, not to the template.
  private static func withLineFeeds(_ source: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(source.count)
    var isAfterReturn = false
    for byte in source {
      if byte == 0x0A, isAfterReturn {
        isAfterReturn = false
        continue
      }
      isAfterReturn = byte == 0x0D
      bytes.append(isAfterReturn ? 0x0A : byte)
    }
    if bytes.last == 0x0A { bytes.removeLast() }
    return bytes
  }

  func has(_ text: StaticString, at place: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    return place + count <= bytes.count && text.withUTF8Buffer { bytes[place..<place + count].elementsEqual($0) }
  }

  /// The first place from `place` on that is no white space.
  func afterWhitespace(_ place: Int) -> Int {
    var place = place
    while place < bytes.count, Self.isBlank(bytes[place]) { place += 1 }
    return place
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) || (0x1C...0x1F).contains(byte) }

  /// Moves on and counts the lines on the way.
  mutating func advance(to place: Int) {
    line += bytes[position..<place].count { $0 == 0x0A }
    if place > position { isLineStart = bytes[place - 1] == 0x0A }
    position = place
  }

  private mutating func readTextAndTag() throws {
    var tag = position
    while tag < bytes.count, !(bytes[tag] == UInt8(ascii: "{") && tag + 1 < bytes.count && isTagMark(bytes[tag + 1])) { tag += 1 }
    guard tag < bytes.count else {
      appendText(position..<tag)
      return advance(to: tag)
    }
    let sign = sign(at: tag + 2)
    appendText(textBefore(tag, sign: sign, isVariable: bytes[tag + 1] == UInt8(ascii: "{")))
    if bytes[tag + 1] == UInt8(ascii: "%"), let inside = afterRawBegin(tag + 2 + (sign == nil ? 0 : 1)) {
      advance(to: inside)
      return try readRaw()
    }
    advance(to: tag + 2 + (sign == nil ? 0 : 1))
    isLineStart = false
    switch bytes[tag + 1] {
    case UInt8(ascii: "#"): try skipComment()
    case UInt8(ascii: "%"):
      tokens.append(Token(kind: .blockBegin, text: "", line: line))
      try readTag(isBlock: true)
    default:
      tokens.append(Token(kind: .variableBegin, text: "", line: line))
      try readTag(isBlock: false)
    }
  }

  private func isTagMark(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "{") || byte == UInt8(ascii: "%") || byte == UInt8(ascii: "#")
  }

  private func sign(at place: Int) -> UInt8? {
    guard place < bytes.count, bytes[place] == UInt8(ascii: "-") || bytes[place] == UInt8(ascii: "+") else { return nil }
    return bytes[place]
  }

  private mutating func appendText(_ range: Range<Int>) {
    if range.isEmpty { return }
    tokens.append(Token(kind: .data, text: String(decoding: bytes[range], as: UTF8.self), line: line))
  }

  /// The text from here to a tag, without the white space that the tag takes.
  private func textBefore(_ tag: Int, sign: UInt8?, isVariable: Bool) -> Range<Int> {
    let text = bytes[position..<tag]
    if sign == UInt8(ascii: "-") {
      let kept = String(decoding: text, as: UTF8.self).unicodeScalars
      let last = kept.lastIndex { !$0.isPythonWhitespace }
      return position..<position + (last.map { kept[...$0].utf8Count } ?? 0)
    }
    if sign == UInt8(ascii: "+") || isVariable { return position..<tag }
    let lineBegin = text.lastIndex(of: 0x0A).map { $0 + 1 } ?? position
    guard lineBegin > position || isLineStart else { return position..<tag }
    let blanks = String(decoding: bytes[lineBegin..<tag], as: UTF8.self).unicodeScalars
    return blanks.allSatisfy(\.isPythonWhitespace) ? position..<lineBegin : position..<tag
  }

  private mutating func skipComment() throws {
    var end = position
    while end < bytes.count, !has("#}", at: end) { end += 1 }
    guard end < bytes.count else { throw JinjaError(.syntax, "a comment has no end", line: line) }
    let sign = end > position ? self.sign(at: end - 1) : nil
    advance(to: afterEnd(end + 2, sign: sign, dropsNewline: true))
  }

  /// The place behind the end of a tag and the white space that it takes.
  func afterEnd(_ end: Int, sign: UInt8?, dropsNewline: Bool) -> Int {
    if sign == UInt8(ascii: "-") { return afterWhitespace(end) }
    if sign == nil, dropsNewline, end < bytes.count, bytes[end] == 0x0A { return end + 1 }
    return end
  }

  /// The place behind `raw %}`; nil where no such tag stands here.
  private func afterRawBegin(_ place: Int) -> Int? {
    var place = afterWhitespace(place)
    guard has("raw", at: place) else { return nil }
    place = afterWhitespace(place + 3)
    if has("-%}", at: place) { return afterWhitespace(place + 3) }
    return has("%}", at: place) ? place + 2 : nil
  }

  /// Text up to `{% endraw %}` as it stands.
  private mutating func readRaw() throws {
    var tag = position
    while tag < bytes.count {
      if has("{%", at: tag) {
        let sign = sign(at: tag + 2)
        var place = afterWhitespace(tag + 2 + (sign == nil ? 0 : 1))
        if has("endraw", at: place) {
          place = afterWhitespace(place + 6)
          let closing = self.sign(at: place)
          if closing != nil { place += 1 }
          if has("%}", at: place) {
            appendText(textBefore(tag, sign: sign, isVariable: false))
            return advance(to: afterEnd(place + 2, sign: closing, dropsNewline: true))
          }
        }
      }
      tag += 1
    }
    throw JinjaError(.syntax, "\"raw\" has no \"endraw\"", line: line)
  }
}

extension Substring.UnicodeScalarView {
  var utf8Count: Int { reduce(0) { $0 + UTF8.width($1) } }
}
