/// The `model` of a tokenizer.json of type BPE: its tokens, its merges, and what becomes of characters it lacks.
struct BytePairVocabulary: Sendable {
  /// Ids by the UTF-8 of the entry's spelling.
  let tokens: [[UInt8]: Int32]
  private let merges: MergeTable
  /// Ids of entries of one character, where every word starts.
  private let characters: [Unicode.Scalar: Int32]
  /// Ids of `<0x00>`...`<0xFF>`, where the model falls back to bytes; nil for bytes it lacks.
  private let fallback: [Int32?]
  private let unknown: Int32?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool

  /// The id of `unk_token`.
  var unknownID: Int? { unknown.map(Int.init) }

  init(_ model: JSONNode) throws {
    // Old files leave the type out.
    let type = try model["type"]?.string() ?? "BPE"
    if type != "BPE" { throw try model.required("type").unsupported(type, supported: "BPE") }
    for field in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let node = model[field], try !node.bytes().isEmpty {
        throw node.unsupported("\"\(try node.string())\"", supported: "none")
      }
    }
    if let node = model["dropout"], node.value != .number(0), node.value != .integer(0) {
      throw node.unsupported("merge dropout", supported: "none")
    }
    let vocabulary = try model.required("vocab")
    let members = try vocabulary.members()
    var tokens: [[UInt8]: Int32] = [:]
    var characters: [Unicode.Scalar: Int32] = [:]
    tokens.reserveCapacity(members.count)
    for member in members {
      guard case .integer(let number) = member.value, let id = Int32(exactly: number), id >= 0 else {
        let token = String(decoding: member.name, as: UTF8.self)
        throw vocabulary.malformed("the id of \"\(token)\" is not a whole number from 0 up")
      }
      tokens[member.name] = id
      let scalars = String(decoding: member.name.prefix(5), as: UTF8.self).unicodeScalars
      if let scalar = scalars.first, UTF8.width(scalar) == member.name.count { characters[scalar] = id }
    }
    self.tokens = tokens
    self.characters = characters
    merges = try Self.merges(try model.required("merges"), tokens)
    let fallsBack = try model["byte_fallback"]?.bool() ?? false
    fallback = fallsBack ? (0...UInt8.max).map { tokens[Array(Self.fallbackSpelling($0).utf8)] } : []
    unknown = try model["unk_token"].map { node in
      guard let id = tokens[try node.bytes()] else { throw node.malformed("\"\(try node.string())\" is not in the vocabulary") }
      return id
    }
    fusesUnknown = try model["fuse_unk"]?.bool() ?? false
    ignoresMerges = try model["ignore_merges"]?.bool() ?? false
  }

  private static func fallbackSpelling(_ byte: UInt8) -> String {
    "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
  }

  /// Reads merges written as "a b" or as ["a", "b"].
  private static func merges(_ node: JSONNode, _ tokens: [[UInt8]: Int32]) throws -> MergeTable {
    guard case .array(let elements) = node.value else { throw node.malformed("a list of merges belongs here") }
    var table = MergeTable(capacity: elements.count)
    for (rank, element) in elements.enumerated() {
      let pair: [ArraySlice<UInt8>] =
        switch element {
        case .string(let text): split(text, separator: [0x20])
        case .array(let parts): parts.compactMap { if case .string(let part) = $0 { part[...] } else { nil } }
        default: []
        }
      guard pair.count == 2, let left = tokens[Array(pair[0])], let right = tokens[Array(pair[1])],
        let result = tokens[pair[0] + Array(pair[1])], let rank = UInt32(exactly: rank)
      else { throw node.malformed("merge \(rank) is not a pair of tokens whose union is a token") }
      table.add(left, right, result: result, rank: rank)
    }
    return table
  }

  func id(of token: [UInt8]) -> Int? { tokens[token].map(Int.init) }

  /// Encodes one word of UTF-8 as the vocabulary spells it.
  func encode(_ word: ArraySlice<UInt8>) -> [Int] {
    let spelling = Array(word)
    if ignoresMerges, let whole = tokens[spelling] { return [Int(whole)] }
    var symbols: [Int32] = []
    var pendingUnknown = false
    for scalar in String(decoding: spelling, as: UTF8.self).unicodeScalars {
      if let id = characters[scalar] {
        if pendingUnknown, let unknown { symbols.append(unknown) }
        pendingUnknown = false
        symbols.append(id)
      } else if let bytes = fallbackIDs(scalar) {
        symbols += bytes
      } else {
        if pendingUnknown, !fusesUnknown, let unknown { symbols.append(unknown) }
        pendingUnknown = true
      }
    }
    if pendingUnknown, let unknown { symbols.append(unknown) }
    return merges.apply(to: symbols).map(Int.init)
  }

  private func fallbackIDs(_ scalar: Unicode.Scalar) -> [Int32]? {
    guard !fallback.isEmpty, let bytes = UTF8.encode(scalar) else { return nil }
    let ids = bytes.compactMap { fallback[Int($0)] }
    return ids.count == bytes.count ? ids : nil
  }
}
