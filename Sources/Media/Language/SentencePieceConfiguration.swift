import Foundation

/// The small files around a tokenizer: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
struct TokenizerFiles {
  private let config: JSONNode?
  private let specialTokens: JSONNode?
  private let addedTokens: JSONNode?

  init(directory: URL) throws {
    config = try .readIfPresent(directory.appending(path: "tokenizer_config.json"))
    specialTokens = try .readIfPresent(directory.appending(path: "special_tokens_map.json"))
    addedTokens = try .readIfPresent(directory.appending(path: "added_tokens.json"))
    for case let node? in [config, specialTokens, addedTokens] where !node.isObject {
      throw node.malformed("\(node.value.kind) where an object belongs")
    }
  }

  /// A yes/no setting of tokenizer_config.json.
  func flag(_ name: String) throws -> Bool? { try config?[name]?.bool() }

  /// The text of a named token such as `eos_token`: a string, or an object with a `content`.
  func namedToken(_ name: String) throws -> String? {
    guard let node = config?[name] ?? specialTokens?[name] else { return nil }
    return try node.isObject ? node.required("content").string() : node.string()
  }

  /// The texts of all tokens that have a name, as chat templates see them.
  func names() throws -> [String: String] {
    let known = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
    return try known.reduce(into: [:]) { $0[$1] = try namedToken($1) }
  }

  /// The tokens that are added to the vocabulary, from the newer list with flags or else the older one.
  func addedTokenList() throws -> [AddedToken] {
    let extra = try extraSpecialTokens()
    func isSpecial(_ content: String) -> Bool { extra.contains(Array(content.utf8)) }
    if let list = config?["added_tokens_decoder"] {
      return try list.members().map { member in
        let key = String(decoding: member.name, as: UTF8.self)
        let node = JSONNode(value: member.value, file: list.file, path: "\(list.path).\(key)")
        guard let id = Int32(key), id >= 0 else { throw node.malformed("\"\(key)\" is not a token id") }
        var token = try AddedToken(node, id: Int(id))
        token.special = token.special || isSpecial(token.content)
        return token
      }
    }
    guard let addedTokens else { return [] }
    return try addedTokens.members().map { member in
      let content = String(decoding: member.name, as: UTF8.self)
      let node = JSONNode(value: member.value, file: addedTokens.file, path: content)
      return AddedToken(id: try node.tokenID(), content: content, special: isSpecial(content))
    }
  }

  private func extraSpecialTokens() throws -> Set<[UInt8]> {
    let lists = try [config, specialTokens].compactMap { try $0?["additional_special_tokens"]?.elements() }
    return Set(try lists.joined().map { try $0.isObject ? $0.required("content").bytes() : $0.bytes() })
  }
}

extension AddedToken {
  /// Reads a token's object: `content` and the flags, which are off unless given.
  init(_ node: JSONNode, id: Int) throws {
    self.init(
      id: id, content: try node.required("content").string(),
      stripsLeft: try node["lstrip"]?.bool() ?? false, stripsRight: try node["rstrip"]?.bool() ?? false,
      singleWord: try node["single_word"]?.bool() ?? false, normalized: try node["normalized"]?.bool() ?? false,
      special: try node["special"]?.bool() ?? false)
  }
}

extension SentencePieceTokenizer.Configuration {
  /// What the files beside a `tokenizer.model` say; what they leave open is as in LLaMA.
  ///
  /// - Throws: `LanguageError.malformedFile` naming file and field.
  public init(directory: URL) throws {
    let files = try TokenizerFiles(directory: directory)
    self.init()
    legacy = try files.flag("legacy") ?? legacy
    addsBOS = try files.flag("add_bos_token") ?? addsBOS
    addsEOS = try files.flag("add_eos_token") ?? addsEOS
    bos = try files.namedToken("bos_token") ?? bos
    eos = try files.namedToken("eos_token") ?? eos
    unknown = try files.namedToken("unk_token") ?? unknown
    pad = try files.namedToken("pad_token")
    addedTokens = try files.addedTokenList()
  }
}
