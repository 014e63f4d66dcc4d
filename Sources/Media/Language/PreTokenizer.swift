/// The `pre_tokenizer` of a tokenizer.json: how text is divided into the words that merges never cross.
struct PreTokenizer: Sendable {
  enum Step: Sendable {
    case split(PreTokenizerPattern)
    case byteLevel(addsPrefixSpace: Bool, splits: Bool)
    case metaspace(replacement: [UInt8], prefix: Prefix, splits: Bool)
  }

  /// Where a metaspace step puts its mark in front of text that has none.
  enum Prefix: String, Sendable { case always, first, never }

  private var steps: [Step] = []

  /// Whether words are handed on as bytes in the byte-level alphabet.
  var isByteLevel: Bool { steps.contains { if case .byteLevel = $0 { true } else { false } } }

  /// Reads the field; absent means that the whole text is one word.
  init(_ node: JSONNode?) throws {
    guard let node else { return }
    steps = try Self.steps(node)
    let misplaced = steps.dropLast().contains { if case .byteLevel = $0 { true } else { false } }
    if misplaced { throw node.unsupported("ByteLevel in front of other steps", supported: "ByteLevel at the end") }
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
      return [.metaspace(replacement: try node.required("replacement").bytes(), prefix: prefix, splits: splits)]
    case "Split": return [.split(try pattern(node))]
    case let other: throw node.unsupported(other, supported: "ByteLevel, Metaspace, Split and Sequence")
    }
  }

  private static func pattern(_ node: JSONNode) throws -> PreTokenizerPattern {
    let pattern = try node.required("pattern")
    guard let spelling = try pattern["Regex"]?.string() else {
      throw pattern.unsupported("a plain string", supported: "the patterns of GPT-2, Llama 3 and Qwen2")
    }
    guard let known = PreTokenizerPattern(spelling: spelling) else {
      throw pattern.unsupported("\"\(spelling)\"", supported: "the patterns of GPT-2, Llama 3 and Qwen2")
    }
    // These patterns leave nothing between their matches, so both ways to say "keep the matches" mean the same.
    let behavior = try node.required("behavior").string()
    let inverted = try node["invert"]?.bool() ?? false
    guard behavior == "Isolated" || (behavior == "Removed" && inverted) else {
      throw node.unsupported("behavior \(behavior)", supported: "Isolated")
    }
    return known
  }

  /// Divides a stretch of normalised text.
  ///
  /// - Parameter isStart: whether the stretch begins the whole text.
  func split(_ text: ArraySlice<UInt8>, isStart: Bool) -> [ArraySlice<UInt8>] {
    var words = [text]
    for step in steps {
      words = words.flatMap { word -> [ArraySlice<UInt8>] in
        switch step {
        case .split(let pattern): return pattern.split(word)
        case .byteLevel(let addsPrefixSpace, let splits):
          let prefixed = addsPrefixSpace && word.first != 0x20 ? [0x20] + word : word
          return splits ? PreTokenizerPattern.gpt2.split(prefixed) : [prefixed]
        case .metaspace(let mark, let prefix, let splits):
          var marked = replacing([0x20], in: word, with: mark)
          let isWanted = prefix == .always || (prefix == .first && isStart && word.startIndex == text.startIndex)
          if isWanted, !marked.starts(with: mark) { marked = mark + marked }
          return splits ? Self.divide(marked, inFrontOf: mark) : [marked[...]]
        }
      }
    }
    return words
  }

  /// Cuts in front of every mark.
  private static func divide(_ text: [UInt8], inFrontOf mark: [UInt8]) -> [ArraySlice<UInt8>] {
    var starts = [0]
    for position in text.indices.dropFirst() where text[position...].starts(with: mark) { starts.append(position) }
    return zip(starts, starts.dropFirst() + [text.count]).map { text[$0..<$1] }
  }
}
