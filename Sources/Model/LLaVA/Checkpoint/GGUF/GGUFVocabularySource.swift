import Foundation
import Language
import Torch

/// The tokenizer that a GGUF file's metadata describe.
struct GGUFVocabularySource {
  var vocabulary: GGUFVocabulary

  /// Reads `tokenizer.…`.
  ///
  /// - Parameter rows: of the table of embeddings.
  /// - Throws: `TensorFileError`; `ConfigurationError.invalid` for more tokens than rows.
  init(_ metadata: GGUFMetadata, rows: Int) throws {
    func key(_ name: String) -> String { "tokenizer.ggml." + name }
    let tokens = try metadata.require(key("tokens"), metadata.texts(key("tokens")))
    guard tokens.count <= rows else {
      throw ConfigurationError.invalid(
        file: metadata.file, field: key("tokens"), reason: "\(tokens.count) tokens for \(rows) rows of embeddings")
    }
    let model = try metadata.require(key("model"), metadata.string(key("model")))
    vocabulary = GGUFVocabulary(file: metadata.file, model: model, tokens: tokens)
    vocabulary.preTokenizer = try metadata.string(key("pre"))
    vocabulary.kinds = try metadata.ints(key("token_type"))
    vocabulary.scores = try metadata.doubles(key("scores"))
    vocabulary.merges = try metadata.texts(key("merges"))
    vocabulary.bosTokenID = try metadata.int(key("bos_token_id"))
    vocabulary.eosTokenID = try metadata.int(key("eos_token_id"))
    vocabulary.unknownTokenID = try metadata.int(key("unknown_token_id"))
    vocabulary.padTokenID = try metadata.int(key("padding_token_id"))
    vocabulary.addsBOS = try metadata.bool(key("add_bos_token"))
    vocabulary.addsEOS = try metadata.bool(key("add_eos_token"))
    vocabulary.addsSpacePrefix = try metadata.bool(key("add_space_prefix"))
    vocabulary.chatTemplate = try metadata.string("tokenizer.chat_template")
  }

  /// Writes tokenizer.json and tokenizer_config.json, as part of a folder that appears whole or not at all.
  ///
  /// - Throws: `LanguageError`, or the system's error.
  func write(to folder: URL) throws {
    try Data(vocabulary.tokenizerJSON()).write(to: folder.appendingPathComponent("tokenizer.json"))
    try Data(vocabulary.configurationJSON()).write(to: folder.appendingPathComponent("tokenizer_config.json"))
  }
}
