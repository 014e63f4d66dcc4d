/// The `pre_tokenizer` of a tokenizer.json: how text is divided into the words that merges never cross.
///
/// Steps work one after the other, each on the words that the ones before it made.
struct PreTokenizer: Sendable {
  private enum Step: Sendable {
    case split(TextPattern, isInverted: Bool, SplitBehavior)
    /// Spells bytes in the byte-level alphabet.
    case byteLevel(addsPrefixSpace: Bool, splits: Bool)
    case metaspace(replacement: [UInt8], prefix: Prefix, splits: Bool)
  }

  /// Where a metaspace step puts its mark in front of text that has none.
  private enum Prefix: String, Sendable { case always, first, never }

  private struct Word {
    var text: ArraySlice<UInt8>
    /// Whether it begins the whole text.
    let isStart: Bool
  }

  private var steps: [Step] = []

  /// Reads the field; absent means that the whole text is one word.
  init(_ node: JSONNode?) throws {
    if let node { steps = try Self.steps(node) }
  }

  private static func steps(_ node: JSONNode) throws -> [Step] {
    switch try node.type() {
    case "Sequence": return try node.required("pretokenizers").elements().flatMap { try steps($0) }
    case "ByteLevel":
      let prefix = try node["add_prefix_space"]?.bool() ?? true
      return [.byteLevel(addsPrefixSpace: prefix, splits: try node["use_regex"]?.bool() ?? true)]
    case "Metaspace":
      let adds = try node["add_prefix_space"]?.bool() ?? true
      let scheme = try node["prepend_scheme"]?.string() ?? (adds ? "always" : "never")
      guard let prefix = Prefix(rawValue: scheme) else {
        throw node.malformed("unknown prepend_scheme \"\(scheme)\"")
      }
      let splits = try node["split"]?.bool() ?? true
      let mark = try node.required("replacement")
      if try mark.bytes().isEmpty { throw mark.malformed("a character belongs here") }
      return [.metaspace(replacement: try mark.bytes(), prefix: prefix, splits: splits)]
    case "Split":
      let pattern = try TextPattern(try node.required("pattern"))
      return [.split(pattern, isInverted: try node["invert"]?.bool() ?? false, try behavior(try node.required("behavior")))]
    case "Digits":
      let isIndividual = try node["individual_digits"]?.bool() ?? false
      return [.split(.characters(.numeric), isInverted: false, isIndividual ? .isolated : .contiguous)]
    case "Punctuation":
      return [.split(.characters(.punctuation), isInverted: false, try node["behavior"].map(behavior) ?? .isolated)]
    case "Whitespace": return [.split(.words, isInverted: true, .removed)]
    case "WhitespaceSplit": return [.split(.characters(.whitespace), isInverted: false, .removed)]
    case "CharDelimiterSplit":
      let delimiter = try node.required("delimiter")
      let scalars = try delimiter.string().unicodeScalars
      guard scalars.count == 1, let scalar = scalars.first else { throw delimiter.malformed("one character belongs here") }
      return [.split(.characters(.exactly(scalar)), isInverted: false, .removed)]
    case let other:
      throw node.unsupported(
        other,
        supported: "ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit, Sequence")
    }
  }

  private static func behavior(_ node: JSONNode) throws -> SplitBehavior {
    let name = try node.string()
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw node.unsupported("\"\(name)\"", supported: SplitBehavior.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return behavior
  }

  /// Divides a stretch of normalised text into words as the vocabulary spells them.
  ///
  /// - Parameter isStart: whether the stretch begins the whole text.
  /// - Throws: `LanguageError.encodingFailed` where a regular expression takes too many steps.
  func split(_ text: ArraySlice<UInt8>, isStart: Bool) throws -> [ArraySlice<UInt8>] {
    var words = text.isEmpty ? [] : [Word(text: text, isStart: isStart)]
    for step in steps { words = try words.flatMap { try Self.apply(step, to: $0) } }
    return words.map(\.text)
  }

  private static func apply(_ step: Step, to word: Word) throws -> [Word] {
    switch step {
    case .split(let pattern, let isInverted, let behavior):
      var pieces = try pattern.pieces(of: word.text)
      if isInverted { for index in pieces.indices { pieces[index].isMatch.toggle() } }
      return parts(of: word, behavior.words(pieces))
    case .byteLevel(let addsPrefixSpace, let splits):
      let text = addsPrefixSpace && word.text.first != 0x20 ? [0x20] + word.text : word.text
      let words = splits ? PreTokenizerPattern.gpt2.split(text) : [text]
      return words.map { part in
        let isStart = word.isStart && part.startIndex == text.startIndex
        return Word(text: part.flatMap { ByteLevelAlphabet.spellings[Int($0)] }[...], isStart: isStart)
      }
    case .metaspace(let mark, let prefix, let splits):
      var marked = replacing([0x20], in: word.text, with: mark)
      if prefix == .always || prefix == .first && word.isStart, !marked.starts(with: mark) { marked = mark + marked }
      let whole = Word(text: marked[...], isStart: word.isStart)
      return splits
        ? parts(of: whole, SplitBehavior.mergedWithNext.words(try TextPattern.literal(mark).pieces(of: whole.text))) : [whole]
    }
  }

  private static func parts(of word: Word, _ ranges: [Range<Int>]) -> [Word] {
    ranges.map { Word(text: word.text[$0], isStart: word.isStart && $0.lowerBound == word.text.startIndex) }
  }
}
