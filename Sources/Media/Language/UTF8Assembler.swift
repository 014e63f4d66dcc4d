/// Joins bytes that arrive in pieces into text without ever splitting a character.
///
/// Cutting in front of a character's first byte changes nothing for a decoder, since every decoder starts anew there;
/// so whatever is held back, the pieces together equal the text decoded at once.
struct UTF8Assembler: Sendable {
  /// What becomes of bytes that are not UTF-8.
  enum Repair: Sendable {
    /// One U+FFFD for each maximal part of a character (the practice of Unicode, Rust and Swift).
    case maximalSubpart
    /// One U+FFFD for each byte (the sentencepiece library's practice).
    case eachByte
  }

  let repair: Repair
  private var held: [UInt8] = []

  init(repair: Repair) { self.repair = repair }

  mutating func append(_ bytes: some Sequence<UInt8>) -> String {
    held.append(contentsOf: bytes)
    let tail = unfinishedLength()
    defer { held.removeFirst(held.count - tail) }
    return decode(held.dropLast(tail))
  }

  mutating func finish() -> String {
    defer { held = [] }
    return decode(held[...])
  }

  /// How many bytes at the end could be a character that later bytes complete.
  private func unfinishedLength() -> Int {
    for length in 1...3 where length <= held.count {
      let byte = held[held.count - length]
      if byte & 0xC0 == 0x80 { continue }
      return Self.characterLength(startingWith: byte) > length ? length : 0
    }
    return 0
  }

  /// The length a first byte announces; 1 for bytes that begin no longer character.
  private static func characterLength(startingWith byte: UInt8) -> Int {
    switch byte {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
  }

  private func decode(_ bytes: ArraySlice<UInt8>) -> String {
    if case .maximalSubpart = repair { return String(decoding: bytes, as: UTF8.self) }
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    var text = ""
    var rest = bytes
    while let first = rest.first {
      let character = rest.prefix(Self.characterLength(startingWith: first))
      if let valid = String(validating: character, as: UTF8.self) {
        text += valid
        rest = rest.dropFirst(character.count)
      } else {
        text += "\u{FFFD}"
        rest = rest.dropFirst()
      }
    }
    return text
  }
}
