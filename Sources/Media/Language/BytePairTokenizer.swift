import Foundation

/// A byte-pair tokenizer as tokenizer.json describes it.
///
/// Two families are supported: byte-level vocabularies (GPT-2, Llama 3, Qwen2, SmolLM2), and converted SentencePiece vocabularies
/// with byte fallback (LLaMA, Vicuna, Gemma, and the LLaVA-1.5 checkpoints on the Hugging Face hub). Encoding goes through
/// the file's own stages: added tokens, normalizer, pre-tokenizer, merges, post-processor.
public struct BytePairTokenizer: Tokenizer {
  let vocabulary: BytePairVocabulary
  let decoder: BytePairDecoder
  private let normalizer: TextNormalizer
  private let preTokenizer: PreTokenizer
  private let rawSplitter: AddedTokenSplitter
  private let normalizedSplitter: AddedTokenSplitter
  private let frame: SpecialTokenFrame
  /// Added tokens by id.
  let addedTokens: [Int: AddedToken]
  private let addedIDs: [[UInt8]: Int]
  /// What each id decodes to before the decoder's own rules; empty for ids without a token.
  let decodedTokens: [[UInt8]]

  /// The id of `bos_token` in tokenizer_config.json.
  public let bosTokenID: Int?
  /// The id of `eos_token` in tokenizer_config.json.
  public let eosTokenID: Int?
  /// The id of `pad_token` in tokenizer_config.json.
  public let padTokenID: Int?
  /// The id of `unk_token` in tokenizer_config.json, else the model's own.
  public let unknownTokenID: Int?

  /// One more than the largest id.
  public var vocabularySize: Int { decodedTokens.count }

  /// Loads a tokenizer.json; tokenizer_config.json beside it, if present, names the special tokens.
  ///
  /// - Throws: `LanguageError.unreadableFile`, `.malformedFile`, or `.unsupported` for a kind of tokenizer this does not
  ///   implement; each names the file and the field.
  public init(contentsOf url: URL) throws {
    let root = try JSONNode.read(url)
    let files = try TokenizerFiles(directory: url.deletingLastPathComponent())
    let vocabulary = try BytePairVocabulary(try root.required("model"))
    let normalizer = try TextNormalizer(root["normalizer"])
    let decoder = try BytePairDecoder(root["decoder"])

    var added = try (root["added_tokens"]?.elements() ?? []).map { node in
      try AddedToken(node, id: try node.required("id").tokenID())
    }
    var ids = Dictionary(added.map { (Array($0.content.utf8), $0.id) }) { $1 }
    for token in try files.addedTokenList() where ids[Array(token.content.utf8)] == nil {
      added.append(token)
      ids[Array(token.content.utf8)] = token.id
    }
    func id(of name: String) throws -> Int? {
      guard let bytes = try files.namedToken(name).map({ Array($0.utf8) }) else { return nil }
      return ids[bytes] ?? vocabulary.id(of: bytes)
    }
    bosTokenID = try id(of: "bos_token")
    eosTokenID = try id(of: "eos_token")
    padTokenID = try id(of: "pad_token")
    unknownTokenID = try id(of: "unk_token") ?? vocabulary.unknownID

    preTokenizer = try PreTokenizer(root["pre_tokenizer"])
    frame = try SpecialTokenFrame(root["post_processor"])
    rawSplitter = AddedTokenSplitter(added.filter { !$0.normalized })
    normalizedSplitter = AddedTokenSplitter(
      try added.filter(\.normalized).map { ($0, try normalizer.apply(Array($0.content.utf8))) })
    addedTokens = Dictionary(added.map { ($0.id, $0) }) { $1 }
    addedIDs = ids
    decodedTokens = try Self.decodedTokens(vocabulary, added, decoder, file: url.path)
    self.vocabulary = vocabulary
    self.normalizer = normalizer
    self.decoder = decoder
  }

  private static func decodedTokens(
    _ vocabulary: BytePairVocabulary, _ added: [AddedToken], _ decoder: BytePairDecoder, file: String
  ) throws -> [[UInt8]] {
    let tokens =
      vocabulary.tokens.map { ($0.key, Int($0.value)) } + added.map { (Array($0.content.utf8), $0.id) }
    let size = (tokens.map(\.1).max() ?? -1) + 1
    // Ids index tables; a stray huge one would ask for gigabytes.
    guard size <= 16 * (tokens.count + 4096) else {
      throw LanguageError.malformedFile(
        path: file, field: "model.vocab", problem: "id \(size - 1) is far beyond the \(tokens.count) tokens")
    }
    var decoded = [[UInt8]](repeating: [], count: size)
    for (token, id) in tokens { decoded[id] = decoder.decode(token) }
    return decoded
  }

  /// Encodes a text through the stages of tokenizer.json.
  public func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int] {
    let bytes = Array(text.utf8)
    var ids = addSpecialTokens ? frame.leading : []
    for piece in rawSplitter.split(bytes) {
      if let token = piece.token {
        ids.append(token)
        continue
      }
      let normalized = try normalizer.apply(Array(bytes[piece.range]))
      for part in normalizedSplitter.split(normalized) {
        if let token = part.token {
          ids.append(token)
          continue
        }
        let isStart = piece.range.lowerBound == 0 && part.range.lowerBound == 0
        let words = LiteralMark.removed(from: Array(normalized[part.range]))
        for word in try preTokenizer.split(words[...], isStart: isStart) { ids += vocabulary.encode(word) }
      }
    }
    return addSpecialTokens ? ids + frame.trailing : ids
  }

  /// Decodes ids by the file's decoder; text is never "cleaned up".
  public func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String {
    var detokenizer = BytePairDetokenizer(self, skipsSpecialTokens: skipSpecialTokens)
    return try ids.map { try detokenizer.append($0) }.joined() + detokenizer.finish()
  }

  /// The id of a vocabulary entry as the file spells it ("Ġthe"), or of an added token.
  public func tokenID(of piece: String) -> Int? {
    addedIDs[Array(piece.utf8)] ?? vocabulary.id(of: Array(piece.utf8))
  }

  /// Those of the added tokens that are special.
  public var specialSpellings: [String] { addedTokens.values.filter(\.special).map(\.content).sorted() }

  /// A decoder for one id at a time that skips special tokens.
  public func makeDetokenizer() -> any Detokenizer { BytePairDetokenizer(self, skipsSpecialTokens: true) }
}

/// The `post_processor` of a tokenizer.json: ids around every encoded text.
private struct SpecialTokenFrame: Sendable {
  var leading: [Int] = []
  var trailing: [Int] = []

  init(_ node: JSONNode?) throws {
    guard let node else { return }
    switch try node.type() {
    case "ByteLevel": break  // Changes offsets only.
    case "TemplateProcessing": try readTemplate(node)
    case "Sequence":
      for processor in try node.required("processors").elements() {
        let inner = try SpecialTokenFrame(processor)
        leading = inner.leading + leading
        trailing += inner.trailing
      }
    case let other: throw node.unsupported(other, supported: "TemplateProcessing, ByteLevel and Sequence")
    }
  }

  private mutating func readTemplate(_ node: JSONNode) throws {
    var sawText = false
    for step in try node.required("single").elements() {
      if step["Sequence"] != nil {
        if sawText { throw step.malformed("the text appears twice") }
        sawText = true
        continue
      }
      let name = try step.required("SpecialToken").required("id").string()
      let ids = try node.required("special_tokens").required(name).required("ids").elements().map { try $0.tokenID() }
      if sawText { trailing += ids } else { leading += ids }
    }
    if !sawText { throw node.malformed("the text does not appear in \"single\"") }
  }
}
