import Foundation

/// Unicode normalization form C.
///
/// Foundation's own composition of whole strings is wrong in places (Swift 6.3 on Linux): it composes U+E0041 with
/// U+0301 as if it were "A", and leaves repeated Tibetan vowel signs out of order, and a Hangul syllable apart from its last consonant. So only its tables for single
/// characters and pairs are used here, results for pairs are checked, and the algorithm itself is the standard's.
enum CanonicalComposition {
  /// Composes UTF-8 text.
  static func compose(_ text: [UInt8]) -> [UInt8] {
    if !text.contains(where: { $0 >= 0x80 }) { return text }
    let scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
    if scalars.allSatisfy(isComposed) { return text }
    return Array(String(String.UnicodeScalarView(compose(ordered(scalars.flatMap(decomposition))))).utf8)
  }

  /// Whether a character never changes, whatever its neighbours: a quick test for the most common scripts.
  private static func isComposed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x300, 0x400...0x482, 0x2010...0x201F, 0x3000...0x3029, 0x3041...0x3096, 0x30A0...0x30FF, 0x3400...0x4DBF,
      0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xFF00...0xFFEF, 0x1F300...0x1FAFF:
      true
    default: false
    }
  }

  private static func decomposition(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if scalar.value < 0xC0 { return [scalar] }
    return Array(String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars)
  }

  /// Sorts each run of combining marks by combining class, keeping the order of equals.
  private static func ordered(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var scalars = scalars
    for index in scalars.indices {
      let rank = scalars[index].properties.canonicalCombiningClass
      var position = index
      while rank != .notReordered, position > 0, scalars[position - 1].properties.canonicalCombiningClass > rank {
        scalars.swapAt(position, position - 1)
        position -= 1
      }
    }
    return scalars
  }

  /// Composes each mark with the last starter before it, unless a mark of its class or higher stands between.
  private static func compose(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var starter: Int?
    for scalar in scalars {
      let rank = scalar.properties.canonicalCombiningClass
      if let starter {
        let isNext = starter == result.count - 1
        let isBlocked = !isNext && (result.last.map { $0.properties.canonicalCombiningClass >= rank } ?? false)
        if !isBlocked, let composite = composite(result[starter], scalar) {
          result[starter] = composite
          continue
        }
      }
      if rank == .notReordered { starter = result.count }
      result.append(scalar)
    }
    return result
  }

  private static func composite(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    // No character below U+0300 is the second of a pair.
    if second.value < 0x300 { return nil }
    if let syllable = hangulSyllable(first.value, second.value) { return syllable }
    // The one composition Foundation misses, found by comparing all characters with Python's unicodedata.
    if first == "\u{CCA}", second == "\u{CD5}" { return "\u{CCB}" }
    let pair = String(String.UnicodeScalarView([first, second]))
    let composed = pair.precomposedStringWithCanonicalMapping.unicodeScalars
    guard let composite = composed.first, composed.count == 1 else { return nil }
    let parts = ordered(decomposition(first) + decomposition(second))
    return decomposition(composite) == parts ? composite : nil
  }

  /// Hangul composes by arithmetic: 19 leading consonants, 21 vowels, 27 trailing consonants or none.
  private static func hangulSyllable(_ first: UInt32, _ second: UInt32) -> Unicode.Scalar? {
    switch (first, second) {
    case (0x1100..<0x1113, 0x1161..<0x1176):
      return Unicode.Scalar(0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28)
    case (0xAC00..<0xD7A4, 0x11A8..<0x11C3) where (first - 0xAC00) % 28 == 0:
      return Unicode.Scalar(first + (second - 0x11A7))
    default: return nil
    }
  }
}
