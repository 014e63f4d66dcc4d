/// Text in which what looks like a special token is content.
///
/// Encoding cuts special tokens out of a text first, wherever they are spelt. Somebody's words are not to command a model, so a mark, a
/// noncharacter, is put inside such spellings; the tokenizers do not find them then, and leave the mark out of what they encode.
enum LiteralMark {
  /// U+FDD1 in UTF-8.
  private static let bytes: [UInt8] = [0xEF, 0xB7, 0x91]
  static let text = String(decoding: bytes, as: UTF8.self)

  /// The bytes without marks.
  static func removed(from text: [UInt8]) -> [UInt8] {
    text.contains(bytes[0]) ? replacing(bytes, in: text, with: []) : text
  }
}

extension Tokenizer {
  /// A text of which every character is content: special tokens and image tags that it spells are encoded letter by letter.
  public func literal(_ text: String) -> String {
    var text = text
    for spelling in specialSpellings + [imageTag] {
      guard let first = spelling.unicodeScalars.first, text.utf8.contains(spelling.utf8.first ?? 0) else { continue }
      let parts = split(text, separator: spelling)
      if parts.count == 1 { continue }
      let rest = String(String.UnicodeScalarView(spelling.unicodeScalars.dropFirst()))
      text = parts.joined(separator: String(Character(first)) + LiteralMark.text + rest)
    }
    return text
  }
}
