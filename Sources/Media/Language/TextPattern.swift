/// What a step of a tokenizer.json looks for in a text.
enum TextPattern: Sendable {
  /// Single characters of a kind, each a match of its own.
  enum Characters: Sendable {
    case numeric, punctuation, whitespace
    case exactly(Unicode.Scalar)

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      switch self {
      case .numeric: scalar.isNumeric
      case .punctuation: scalar.isPunctuation
      case .whitespace: scalar.properties.isWhitespace
      case .exactly(let wanted): scalar == wanted
      }
    }
  }

  case characters(Characters)
  /// Runs of word characters, and runs of what is neither that nor whitespace.
  case words
  /// A text, which is not empty.
  case literal([UInt8])
  /// A well-known regular expression, scanned by hand.
  case known(PreTokenizerPattern)
  /// Any other regular expression.
  case regex(RegularExpression)

  /// Reads `{"String": ...}` or `{"Regex": ...}`.
  init(_ node: JSONNode) throws {
    if let text = node["String"] {
      let bytes = try text.bytes()
      if bytes.isEmpty { throw text.malformed("an empty text is found everywhere") }
      self = .literal(bytes)
      return
    }
    let regex = try node.required("Regex")
    let spelling = try regex.bytes()
    if let known = PreTokenizerPattern(spelling: spelling) {
      self = .known(known)
      return
    }
    do throws(LibraryFailure) {
      self = .regex(try RegularExpression(spelling))
    } catch {
      throw regex.malformed("not a regular expression (\(error.message))")
    }
  }

  /// A match, or what lies between two.
  struct Piece: Equatable {
    var range: Range<Int>
    var isMatch: Bool
  }

  /// Divides UTF-8 text into matches and what lies between them: ranges of its indices that cover all of it in order.
  ///
  /// Only matches of a regular expression may be empty.
  /// - Throws: `LanguageError.encodingFailed` where a regular expression takes too many steps.
  func pieces(of text: ArraySlice<UInt8>) throws -> [Piece] {
    let matches =
      switch self {
      case .characters(let characters): text.scalars.filter { characters.contains($0.scalar) }.map(\.range)
      case .words: Self.words(in: text)
      case .literal(let bytes): occurrences(of: bytes, in: text)
      case .known(let pattern): pattern.split(text).map(\.indices)
      case .regex(let regex): try regex.matches(in: text)
      }
    var pieces: [Piece] = []
    var end = text.startIndex
    for match in matches {
      if end < match.lowerBound { pieces.append(Piece(range: end..<match.lowerBound, isMatch: false)) }
      pieces.append(Piece(range: match, isMatch: true))
      end = match.upperBound
    }
    if end < text.endIndex { pieces.append(Piece(range: end..<text.endIndex, isMatch: false)) }
    return pieces
  }

  private static func words(in text: ArraySlice<UInt8>) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var kindOfLast: Bool?
    for (scalar, range) in text.scalars {
      let isWord = scalar.isWordCharacter
      let kind = !isWord && scalar.properties.isWhitespace ? nil : isWord
      if let kind {
        if kind == kindOfLast, let last = runs.popLast() {
          runs.append(last.lowerBound..<range.upperBound)
        } else {
          runs.append(range)
        }
      }
      kindOfLast = kind
    }
    return runs
  }
}
