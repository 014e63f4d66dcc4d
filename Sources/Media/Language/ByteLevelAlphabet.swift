/// The one-to-one map between bytes and printable characters in which byte-level vocabularies are written.
///
/// Printable Latin-1 bytes stand for themselves; the 68 others, in ascending order, for U+0100 onwards ("Ġ" is a space).
enum ByteLevelAlphabet {
  /// The character of each byte.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "\u{FFFD}"
      }
    }
  }()

  /// The UTF-8 spelling of each byte's character.
  static let spellings: [[UInt8]] = characters.map { Array(UTF8.encode($0) ?? UTF8.encodedReplacementCharacter) }

  private static let bytes = Dictionary(uniqueKeysWithValues: zip(characters, 0...UInt8.max))

  /// The bytes a vocabulary entry stands for; an entry with any other character stands for its own UTF-8.
  static func decode(_ token: [UInt8]) -> [UInt8] {
    var decoded: [UInt8] = []
    for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
      guard let byte = bytes[scalar] else { return token }
      decoded.append(byte)
    }
    return decoded
  }
}
