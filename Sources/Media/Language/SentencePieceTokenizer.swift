import Foundation

/// A SentencePiece model with LLaMA's rules around it.
///
/// The rules are those of transformers' slow `LlamaTokenizer` (4.37.2), which LLaVA-1.5 was trained with:
/// 1. Special and added tokens are cut out of the text first; what lies between is encoded stretch by stretch.
/// 2. Legacy: every stretch gets SentencePiece's dummy space in front, even directly behind `</s>`.
/// 3. Non-legacy: only the whole text gets it (none if it begins with a special token), so that `</s>USER` and the
///    same words elsewhere agree with what the model sees in training; "▁" in the text counts as a space.
/// 4. One BOS id in front where `addSpecialTokens` asks for it.
public struct SentencePieceTokenizer: Tokenizer {
  /// What tokenizer_config.json and its neighbours say about a model.
  public struct Configuration: Sendable {
    /// Put the dummy space in front of every stretch between special tokens; transformers' default where no file
    /// says otherwise.
    public var legacy = true
    /// Put the BOS id in front of every encoded text.
    public var addsBOS = true
    /// Put the EOS id behind every encoded text.
    public var addsEOS = false
    var bos: String? = "<s>"
    var eos: String? = "</s>"
    var unknown: String? = "<unk>"
    var pad: String?
    var addedTokens: [AddedToken] = []

    /// LLaMA's own settings.
    public init() {}
  }

  static let space = Array("\u{2581}".utf8)

  let model: SentencePieceModel
  private let configuration: Configuration
  private let splitter: AddedTokenSplitter
  /// Added tokens by id: those of the configuration and the four named ones.
  let addedTokens: [Int: AddedToken]
  /// What encodes to itself and is dropped after encoding: it shields a leading space from SentencePiece.
  private let shield: [UInt8]
  private let shieldLength: Int

  /// One more than the largest id.
  public let vocabularySize: Int
  /// The id of `bos_token`.
  public let bosTokenID: Int?
  /// The id of `eos_token`.
  public let eosTokenID: Int?
  /// The id of `pad_token`; LLaVA-1.5 pads with the unknown id, and so does this where no file names a pad token.
  public let padTokenID: Int?
  /// The id of `unk_token`.
  public let unknownTokenID: Int?

  /// Whether every stretch between special tokens gets the dummy space.
  public var legacy: Bool { configuration.legacy }

  /// Loads a `tokenizer.model` file with given settings.
  ///
  /// - Throws: `LanguageError.unreadableFile` or `.malformedFile`, naming the file.
  public init(contentsOf url: URL, configuration: Configuration = Configuration()) throws {
    let model = try SentencePieceModel(
      try readFile(url), addsDummyPrefix: configuration.legacy, path: url.path)
    var added = Dictionary(configuration.addedTokens.map { ($0.id, $0) }) { $1 }
    func named(_ content: String?) -> Int? {
      guard let content else { return nil }
      let bytes = Array(content.utf8)
      if var token = added.values.first(where: { $0.content.utf8.elementsEqual(bytes) }) {
        token.special = true
        added[token.id] = token
        return token.id
      }
      guard let id = model.id(of: bytes) else { return nil }
      added[id] = AddedToken(id: id, content: content)
      return id
    }
    bosTokenID = named(configuration.bos)
    eosTokenID = named(configuration.eos)
    unknownTokenID = named(configuration.unknown)
    padTokenID = named(configuration.pad) ?? unknownTokenID
    addedTokens = added
    splitter = AddedTokenSplitter(added.values)
    vocabularySize = max(model.pieces.count, (added.keys.max() ?? -1) + 1)
    shield = Array((configuration.unknown ?? "<unk>").utf8)
    shieldLength = try model.encode(shield).count
    self.model = model
    self.configuration = configuration
  }

  /// Encodes a text by the rules above.
  public func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int] {
    var ids = configuration.legacy || text.isEmpty ? try encodeLegacy(Array(text.utf8)) : try encodeModern(text)
    if addSpecialTokens {
      if configuration.addsBOS, let bosTokenID { ids.insert(bosTokenID, at: 0) }
      if configuration.addsEOS, let eosTokenID { ids.append(eosTokenID) }
    }
    return ids
  }

  private func encodeLegacy(_ text: [UInt8]) throws -> [Int] {
    try splitter.split(text).flatMap { piece in
      if let token = piece.token { return [token] }
      return try model.encode(LiteralMark.removed(from: Array(text[piece.range])))
    }
  }

  private func encodeModern(_ text: String) throws -> [Int] {
    let bytes = Self.space + replacing(Self.space, in: Array(text.utf8), with: [0x20])
    let pieces = splitter.split(bytes)
    var ids: [Int] = []
    for (index, piece) in pieces.enumerated() {
      if let token = piece.token {
        // The prefix of a text that begins with a special token would be a word of its own.
        if index == 1, pieces[0].range == 0..<Self.space.count, addedTokens[token]?.special == true { ids = [] }
        ids.append(token)
        continue
      }
      let stretch = LiteralMark.removed(from: Array(bytes[piece.range]))
      if stretch.first == UInt8(ascii: " ") || stretch.starts(with: Self.space) {
        // SentencePiece drops a leading space when it adds none of its own.
        ids += try model.encode(shield + stretch).dropFirst(shieldLength)
      } else {
        ids += try model.encode(stretch)
      }
    }
    return ids
  }

  /// Those of the added tokens that are special.
  public var specialSpellings: [String] { addedTokens.values.filter(\.special).map(\.content).sorted() }

  /// The id of a piece; added tokens come first.
  public func tokenID(of piece: String) -> Int? {
    let bytes = Array(piece.utf8)
    return addedTokens.values.first { $0.content.utf8.elementsEqual(bytes) }?.id ?? model.id(of: bytes)
  }
}
