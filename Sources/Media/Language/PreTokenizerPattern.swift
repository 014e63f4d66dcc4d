/// The ways to divide text into words that byte-level BPE vocabularies are trained with, as hand-written scanners.
///
/// tokenizer.json spells them as regular expressions. Three are in common use, so each is recognised by its spelling and
/// scanned directly, which needs no regular-expression engine and takes one pass.
enum PreTokenizerPattern: Sendable, Equatable {
  /// GPT-2: one optional space in front of letters, digits or symbols; contractions in lower case only.
  case gpt2
  /// GPT-4 and its descendants: any one symbol may precede letters, symbols take line ends with them, digits come in
  /// groups. Llama 3 groups up to three digits, Qwen2 takes them one by one.
  case gpt4(digits: Int)

  /// The spellings that tokenizer.json files use.
  private static let spellings: [(String, PreTokenizerPattern)] = [
    (#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
    (gpt4Spelling(digits: #"\p{N}{1,3}"#), .gpt4(digits: 3)),
    (gpt4Spelling(digits: #"\p{N}"#), .gpt4(digits: 1)),
  ]

  static func gpt4Spelling(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Recognises a regular expression by its spelling.
  init?(spelling: [UInt8]) {
    guard let known = Self.spellings.first(where: { $0.0.utf8.elementsEqual(spelling) }) else { return nil }
    self = known.1
  }

  /// Divides UTF-8 text into words that cover all of it.
  func split(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    let scanner = Scanner(text)
    var words: [ArraySlice<UInt8>] = []
    var position = 0
    while position < scanner.scalars.count {
      let end =
        switch self {
        case .gpt2: scanner.gpt2Word(at: position)
        case .gpt4(let digits): scanner.gpt4Word(at: position, digits: digits)
        }
      words.append(text[scanner.offsets[position]..<scanner.offsets[end]])
      position = end
    }
    return words
  }
}

/// Classified scalars of one text.
///
/// Each `...Word` function returns where the word starting at a position ends.
private struct Scanner {
  enum Class { case letter, number, space, newline, other }

  var scalars: [Unicode.Scalar] = []
  var classes: [Class] = []
  /// Byte offsets of the scalars, and of the end.
  var offsets: [Int] = []

  init(_ text: ArraySlice<UInt8>) {
    var offset = text.startIndex
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      scalars.append(scalar)
      classes.append(Self.classify(scalar))
      offsets.append(offset)
      offset += UTF8.width(scalar)
    }
    offsets.append(offset)
  }

  private static func classify(_ scalar: Unicode.Scalar) -> Class {
    switch scalar {
    case "a"..."z", "A"..."Z": return .letter
    case "0"..."9": return .number
    case "\n", "\r": return .newline
    case " ": return .space
    default: break
    }
    if scalar.properties.isWhitespace { return .space }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return .other
    }
  }

  private func classAt(_ position: Int) -> Class? { position < classes.count ? classes[position] : nil }

  private func run(from position: Int, limit: Int = .max, while matches: (Class) -> Bool) -> Int {
    var end = position
    while end < classes.count, end - position < limit, matches(classes[end]) { end += 1 }
    return end
  }

  func gpt2Word(at position: Int) -> Int {
    if let end = contraction(at: position, anyCase: false) { return end }
    let start = scalars[position] == " " ? position + 1 : position
    if let kind = classAt(start), kind == .letter || kind == .number || kind == .other {
      return run(from: start) { $0 == kind }
    }
    return whitespace(at: position)
  }

  func gpt4Word(at position: Int, digits: Int) -> Int {
    if let end = contraction(at: position, anyCase: true) { return end }
    let kind = classes[position]
    if kind == .letter { return run(from: position) { $0 == .letter } }
    if kind == .space || kind == .other, classAt(position + 1) == .letter {
      return run(from: position + 1) { $0 == .letter }
    }
    if kind == .number { return run(from: position, limit: digits) { $0 == .number } }
    let start = scalars[position] == " " ? position + 1 : position
    if classAt(start) == .other {
      return run(from: run(from: start) { $0 == .other }) { $0 == .newline }
    }
    let end = run(from: position) { $0 == .space || $0 == .newline }
    if let newline = classes[position..<end].lastIndex(of: .newline) { return newline + 1 }
    return whitespace(at: position)
  }

  /// A run of whitespace, whose last character is left to the word that follows, if one does.
  private func whitespace(at position: Int) -> Int {
    let end = run(from: position) { $0 == .space || $0 == .newline }
    return end < classes.count && end - position > 1 ? end - 1 : end
  }

  /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d`.
  private func contraction(at position: Int, anyCase: Bool) -> Int? {
    guard scalars[position] == "'" else { return nil }
    let following = scalars[(position + 1)...].prefix(2).map { anyCase ? Self.folded($0) : $0 }
    switch following.first {
    case "s", "t", "m", "d": return position + 2
    case "r" where following.last == "e", "v" where following.last == "e": return position + 3
    case "l" where following.count == 2 && following.last == "l": return position + 3
    default: return nil
    }
  }

  /// Case folding as regular expressions do it; the long s folds to s.
  private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar {
    case "A"..."Z": Unicode.Scalar(UInt8(scalar.value) + 32)
    case "\u{17F}": "s"
    default: scalar
    }
  }
}
