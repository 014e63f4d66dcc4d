extension GGUFVocabulary {
  /// Byte-level BPE: tokens are bytes in the alphabet of GPT-2.
  func byteLevel() throws -> Method {
    guard let way = GGUFPreTokenizer(preTokenizer) else {
      throw LanguageError.unsupported(
        path: file, field: "tokenizer.ggml.pre", found: preTokenizer ?? "-",
        supported: GGUFPreTokenizer.names.joined(separator: ", "))
    }
    guard let merges else { throw malformed("ggml.merges", "is missing") }
    let known = Set(tokens)
    let pairs = try merges.enumerated().map { index, merge in
      // A token is never empty, so a space in front of all belongs to the first one.
      guard let space = merge.dropFirst().firstIndex(of: 0x20) else {
        throw malformed("ggml.merges", "merge \(index) is not two tokens with a space between")
      }
      let (left, right) = (Array(merge[..<space]), Array(merge[(space + 1)...]))
      guard known.contains(left), known.contains(right), known.contains(left + right) else {
        throw malformed("ggml.merges", "merge \(index) is not a pair of tokens whose union is a token")
      }
      return JSONValue.array([.string(left), .string(right)])
    }
    let bytes = GGUFPreTokenizer.byteLevel(splits: false)
    return Method(
      normalizer: way.normalizer, preTokenizer: way.json, emptyFrame: bytes, decoder: bytes,
      model: self.pairs(pairs, unknown: .null, isByteLevel: true, ignoresMerges: way.ignoresMerges))
  }

  /// SentencePiece's BPE with byte fallback, as LLaMA's tokenizer.json has it: spaces are marks, one is put in front of each text, and
  /// characters that no token has become bytes.
  ///
  /// llama.cpp puts a space behind special tokens as well, which is what a `Prepend` in front of each stretch of text does.
  func sentencePiece() throws -> Method {
    guard let scores else { throw malformed("ggml.scores", "is missing") }
    guard scores.allSatisfy(\.isFinite) else { throw malformed("ggml.scores", "not all are numbers") }
    let unknown = unknownTokenID ?? tokens.indices.first { kind($0) == .unknown }
    let mark = JSONValue.text("\u{2581}")
    let space = JSONValue.text(" ")
    func replace(_ text: JSONValue, _ content: JSONValue) -> JSONValue {
      .members(["type": .text("Replace"), "pattern": .members(["String": text]), "content": content])
    }
    let hasPrefix = addsSpacePrefix ?? true
    let prepend: [JSONValue] = hasPrefix ? [.members(["type": .text("Prepend"), "prepend": mark])] : []
    let strip: [JSONValue] =
      hasPrefix
      ? [.members(["type": .text("Strip"), "content": space, "start": .integer(1), "stop": .integer(0)])] : []
    let steps = [replace(mark, space), .members(["type": .text("ByteFallback")]), .members(["type": .text("Fuse")])] + strip
    let pairs = merges(byScores: scores).map { JSONValue.array([.string(tokens[$0.left]), .string(tokens[$0.right])]) }
    return Method(
      normalizer: .members(["type": .text("Sequence"), "normalizers": .array(prepend + [replace(space, mark)])]),
      decoder: .members(["type": .text("Sequence"), "decoders": .array(steps)]),
      model: self.pairs(
        pairs, unknown: unknown.map { .string(tokens[$0]) } ?? .null, isByteLevel: false, ignoresMerges: false))
  }

  /// The merges that a vocabulary with scores stands for.
  ///
  /// SentencePiece joins whichever two neighbours make the token of the highest score. So every way to cut a token into two tokens is a merge,
  /// and tokens of higher scores come first. Among the ways to make one token, and tokens of equal scores, longer left parts come first,
  /// then longer right ones, as in what transformers derives.
  func merges(byScores scores: [Double]) -> [(left: Int, right: Int)] {
    struct Merge {
      let score: Double
      let left, right: Int
      let lengths: (Int, Int)
    }
    func isPart(_ id: Int) -> Bool { kind(id) == .normal || kind(id) == .userDefined }
    var ids: [ArraySlice<UInt8>: Int] = [:]
    for (id, token) in tokens.enumerated() where isPart(id) { ids[token[...]] = id }
    var found: [Merge] = []
    for (id, token) in tokens.enumerated() where kind(id) == .normal {
      // Cuts lie between characters.
      let cuts = token.indices.dropFirst().filter { token[$0] & 0xC0 != 0x80 }
      let ways = cuts.enumerated().compactMap { before, cut -> Merge? in
        guard let left = ids[token[..<cut]], let right = ids[token[cut...]] else { return nil }
        return Merge(score: scores[id], left: left, right: right, lengths: (before + 1, cuts.count - before))
      }
      found += ways.sorted { ($0.left, $0.right) < ($1.left, $1.right) }
    }
    let order = found.indices.sorted { a, b in
      let (one, other) = (found[a], found[b])
      if one.score != other.score { return one.score > other.score }
      if one.lengths != other.lengths { return one.lengths > other.lengths }
      return a < b
    }
    return order.map { (found[$0].left, found[$0].right) }
  }
}
