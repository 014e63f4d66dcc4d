/// A token that is cut out of the text before the tokenizer proper sees it.
struct AddedToken: Sendable, Equatable {
  var id: Int
  var content: String
  /// Takes the whitespace in front of it with it.
  var stripsLeft = false
  /// Takes the whitespace behind it with it.
  var stripsRight = false
  /// Matches only where no word character touches it.
  var singleWord = false
  /// Is looked for in the normalised text instead of the raw one.
  var normalized = false
  /// Is left out of decoded text on request.
  var special = true
}

/// Finds added tokens in UTF-8 text: leftmost first, and of several at one place the longest.
struct AddedTokenSplitter: Sendable {
  /// A stretch of the text: ordinary (nil) or one added token.
  struct Piece: Equatable {
    let token: Int?
    let range: Range<Int>
  }

  private struct Pattern: Sendable {
    let bytes: [UInt8]
    let token: AddedToken
  }

  /// Patterns by first byte, longest first.
  private var patterns: [UInt8: [Pattern]] = [:]

  init(_ tokens: some Sequence<AddedToken>) { self.init(tokens.map { ($0, Array($0.content.utf8)) }) }

  /// Looks for other bytes than the tokens' own texts.
  init(_ tokens: [(AddedToken, [UInt8])]) {
    for (token, bytes) in tokens {
      guard let first = bytes.first else { continue }
      patterns[first, default: []].append(Pattern(bytes: bytes, token: token))
    }
    patterns = patterns.mapValues { $0.sorted { $0.bytes.count > $1.bytes.count } }
  }

  /// Divides the text; the pieces cover all of it in order, and none is empty.
  func split(_ text: [UInt8]) -> [Piece] {
    var pieces: [Piece] = []
    var done = 0
    var position = 0
    while position < text.count {
      guard let match = match(in: text, at: position) else {
        position += 1
        continue
      }
      var start = position
      var end = position + match.bytes.count
      position = end
      if match.token.singleWord, touchesWord(text, start: start, end: end) { continue }
      if match.token.stripsLeft {
        while let (scalar, before) = scalarBefore(start, in: text), before >= done, scalar.properties.isWhitespace {
          start = before
        }
      }
      if match.token.stripsRight {
        while let (scalar, after) = scalarAfter(end, in: text), scalar.properties.isWhitespace { end = after }
      }
      if done < start { pieces.append(Piece(token: nil, range: done..<start)) }
      pieces.append(Piece(token: match.token.id, range: start..<end))
      done = end
      position = end
    }
    if done < text.count { pieces.append(Piece(token: nil, range: done..<text.count)) }
    return pieces
  }

  private func match(in text: [UInt8], at position: Int) -> Pattern? {
    patterns[text[position]]?.first { text[position...].starts(with: $0.bytes) }
  }

  private func touchesWord(_ text: [UInt8], start: Int, end: Int) -> Bool {
    (scalarBefore(start, in: text).map { $0.scalar.isWordCharacter } ?? false)
      || (scalarAfter(end, in: text).map { $0.scalar.isWordCharacter } ?? false)
  }

  private func scalarAfter(_ position: Int, in text: [UInt8]) -> (scalar: Unicode.Scalar, end: Int)? {
    var end = position + 1
    while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
    guard position < text.count, let scalar = String(decoding: text[position..<end], as: UTF8.self).unicodeScalars.first
    else { return nil }
    return (scalar, end)
  }

  private func scalarBefore(_ position: Int, in text: [UInt8]) -> (scalar: Unicode.Scalar, start: Int)? {
    guard position > 0 else { return nil }
    var start = position - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return scalarAfter(start, in: text).map { ($0.scalar, start) }
  }
}
