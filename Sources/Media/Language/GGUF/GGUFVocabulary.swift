/// A tokenizer as a GGUF file holds it: lists of tokens and the names of methods, in place of a tokenizer.json.
///
/// The keys are those under `tokenizer.` in ggml's `docs/gguf.md`.
public struct GGUFVocabulary: Sendable {
  /// What a token is (`tokenizer.ggml.token_type`).
  enum Kind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// Path of the file, for messages.
  public var file: String
  /// The method: `gpt2` is byte-level BPE, `llama` is SentencePiece's BPE.
  public var model: String
  /// How text is divided into words before the merges of `gpt2`; nil for GPT-2's own way.
  public var preTokenizer: String?
  /// UTF-8 of all tokens by id.
  public var tokens: [[UInt8]]
  /// What each token is, by llama.cpp's numbers; without them all are normal but those that have a name.
  public var kinds: [Int]?
  /// The score of each token: of `llama`, the tokens that come first have the highest.
  public var scores: [Double]?
  /// Merges of `gpt2`, the first first, each two tokens with a space between.
  public var merges: [[UInt8]]?
  /// The id that begins a sequence.
  public var bosTokenID: Int?
  /// The id that ends one.
  public var eosTokenID: Int?
  /// The id for what the vocabulary cannot express.
  public var unknownTokenID: Int?
  /// The id that batches are padded with.
  public var padTokenID: Int?
  /// Whether a sequence begins with the BOS; nil for what is usual with the method.
  public var addsBOS: Bool?
  /// Whether a sequence ends with the EOS; nil for no.
  public var addsEOS: Bool?
  /// Whether `llama` puts a space in front of a text; nil for yes.
  public var addsSpacePrefix: Bool?
  /// The chat template, a program in Jinja.
  public var chatTemplate: String?
  /// A token beyond the list, such as a picture's.
  public var imageToken: (id: Int, text: String)?

  /// A vocabulary without settings.
  public init(file: String, model: String, tokens: [[UInt8]]) {
    (self.file, self.model, self.tokens) = (file, model, tokens)
  }

  /// The id of a token by its text.
  public func id(of text: String) -> Int? { tokens.firstIndex { $0.elementsEqual(text.utf8) } }

  /// Ids that have a name.
  private var named: [(name: String, key: String, id: Int)] {
    let all = [
      ("bos_token", "bos_token_id", bosTokenID), ("eos_token", "eos_token_id", eosTokenID),
      ("unk_token", "unknown_token_id", unknownTokenID), ("pad_token", "padding_token_id", padTokenID),
    ]
    return all.compactMap { name, key, id in id.map { (name, "tokenizer.ggml.\(key)", $0) } }
  }

  func kind(_ id: Int) -> Kind {
    if let kinds { return Kind(rawValue: kinds[id]) ?? .normal }
    return named.contains { $0.id == id } ? .control : .normal
  }

  func malformed(_ key: String, _ problem: String) -> LanguageError {
    .malformedFile(path: file, field: "tokenizer." + key, problem: problem)
  }

  /// Tokens longer than this would make the search for merges slow, and no tokenizer has them.
  private static let longestToken = 1024

  /// Throws unless the lists fit one another.
  private func check() throws {
    if tokens.isEmpty { throw malformed("ggml.tokens", "is empty") }
    for (key, count) in [("token_type", kinds?.count), ("scores", scores?.count)] {
      if let count, count != tokens.count {
        throw malformed("ggml." + key, "has \(count) elements for \(tokens.count) tokens")
      }
    }
    for (_, key, id) in named where !tokens.indices.contains(id) {
      throw LanguageError.malformedFile(path: file, field: key, problem: "\(id) is no id of \(tokens.count) tokens")
    }
    var ids: [[UInt8]: Int] = [:]
    for (id, token) in tokens.enumerated() where kind(id) != .unused {
      guard token.count <= Self.longestToken, String(validating: token, as: UTF8.self) != nil else {
        throw malformed("ggml.tokens", "token \(id) of \(token.count) bytes is no text")
      }
      if let other = ids.updateValue(id, forKey: token) {
        throw malformed("ggml.tokens", "tokens \(other) and \(id) are the same text")
      }
    }
  }

  /// The tokenizer.json that does what llama.cpp does with the lists, as the `tokenizers` package reads it.
  ///
  /// - Throws: `LanguageError.malformedFile` for lists that make no sense, `.unsupported` for another method.
  public func tokenizerJSON() throws -> [UInt8] {
    try check()
    let method: Method
    switch model {
    case "gpt2": method = try byteLevel()
    case "llama": method = try sentencePiece()
    default:
      throw LanguageError.unsupported(path: file, field: "tokenizer.ggml.model", found: model, supported: "gpt2, llama")
    }
    return JSONValue.members([
      "version": .text("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(addedTokens),
      "normalizer": method.normalizer, "pre_tokenizer": method.preTokenizer, "post_processor": frame(method),
      "decoder": method.decoder, "model": method.model,
    ]).written()
  }

  /// The tokenizer_config.json beside it: named tokens and the chat template.
  ///
  /// - Throws: `LanguageError.malformedFile` for ids beyond the vocabulary.
  public func configurationJSON() throws -> [UInt8] {
    try check()
    var members = named.map { JSONValue.Member(name: Array($0.name.utf8), value: .string(tokens[$0.id])) }
    func add(_ name: String, _ value: JSONValue) { members.append(JSONValue.Member(name: Array(name.utf8), value: value)) }
    add("add_bos_token", .bool(begins))
    add("add_eos_token", .bool(addsEOS ?? false))
    add("clean_up_tokenization_spaces", .bool(false))
    add("tokenizer_class", .text("PreTrainedTokenizerFast"))
    if let chatTemplate { add("chat_template", .text(chatTemplate)) }
    return JSONValue.object(members).written()
  }

  /// All tokens that have an id, by id.
  var vocabulary: JSONValue {
    var members = tokens.enumerated().filter { kind($0.offset) != .unused }.map {
      JSONValue.Member(name: $0.element, value: .integer($0.offset))
    }
    if let imageToken { members.append(JSONValue.Member(name: Array(imageToken.text.utf8), value: .integer(imageToken.id))) }
    return .object(members)
  }

  /// Tokens that are cut out of a text before it is divided: those that control, and those that somebody added.
  private var addedTokens: [JSONValue] {
    let names = Set(named.map(\.id))
    var found = tokens.indices.compactMap { id in
      switch kind(id) {
      case .control, .unknown: Self.added(id, tokens[id], special: true)
      case .userDefined: Self.added(id, tokens[id], special: names.contains(id))
      default: names.contains(id) ? Self.added(id, tokens[id], special: true) : nil
      }
    }
    if let imageToken { found.append(Self.added(imageToken.id, Array(imageToken.text.utf8), special: true)) }
    return found
  }

  private static func added(_ id: Int, _ content: [UInt8], special: Bool) -> JSONValue {
    .members([
      "id": .integer(id), "content": .string(content), "single_word": .bool(false), "lstrip": .bool(false),
      "rstrip": .bool(false), "normalized": .bool(false), "special": .bool(special),
    ])
  }

  private var begins: Bool { addsBOS ?? (model == "llama" || GGUFPreTokenizer(preTokenizer)?.beginsSequences == true) }

  /// The ids around every text.
  private func frame(_ method: Method) -> JSONValue {
    func piece(_ kind: String, _ id: [UInt8], _ type: Int = 0) -> JSONValue {
      .members([kind: .members(["id": .string(id), "type_id": .integer(type)])])
    }
    let before = begins ? bosTokenID : nil
    let after = addsEOS == true ? eosTokenID : nil
    if before == nil, after == nil { return method.emptyFrame }
    func framed(_ text: String, _ type: Int) -> [JSONValue] {
      let pieces = [
        before.map { piece("SpecialToken", tokens[$0], type) }, piece("Sequence", Array(text.utf8), type),
        after.map { piece("SpecialToken", tokens[$0], type) },
      ]
      return pieces.compactMap(\.self)
    }
    var special: [JSONValue.Member] = []
    for id in Set([before, after].compactMap(\.self)).sorted() {
      let value = JSONValue.members([
        "id": .string(tokens[id]), "ids": .array([.integer(id)]), "tokens": .array([.string(tokens[id])]),
      ])
      special.append(JSONValue.Member(name: tokens[id], value: value))
    }
    return .members([
      "type": .text("TemplateProcessing"), "single": .array(framed("A", 0)), "pair": .array(framed("A", 0) + framed("B", 1)),
      "special_tokens": .object(special),
    ])
  }
}

extension GGUFVocabulary {
  /// The parts of a tokenizer.json in which the methods differ.
  struct Method {
    var normalizer = JSONValue.null
    var preTokenizer = JSONValue.null
    var emptyFrame = JSONValue.null
    var decoder: JSONValue
    var model: JSONValue
  }

  /// The `model` of a tokenizer.json.
  func pairs(_ merges: [JSONValue], unknown: JSONValue, isByteLevel: Bool, ignoresMerges: Bool) -> JSONValue {
    .members([
      "type": .text("BPE"), "dropout": .null, "unk_token": unknown, "continuing_subword_prefix": .null,
      "end_of_word_suffix": .null, "fuse_unk": .bool(!isByteLevel), "byte_fallback": .bool(!isByteLevel),
      "ignore_merges": .bool(ignoresMerges), "vocab": vocabulary, "merges": .array(merges),
    ])
  }
}
