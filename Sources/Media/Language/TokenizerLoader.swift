import Foundation

/// Finds and loads the tokenizer of a checkpoint folder.
public enum TokenizerLoader {
  /// Loads `tokenizer.model` (SentencePiece) if the folder has one, else `tokenizer.json` (byte-pair encoding).
  ///
  /// `tokenizer.model` comes first because it is what LLaVA-1.5 was trained with, legacy flag included; a
  /// tokenizer.json beside it was converted from it. tokenizer_config.json, special_tokens_map.json and
  /// added_tokens.json are read where present.
  /// - Throws: `LanguageError`, naming the file and the field.
  public static func load(from directory: URL) throws -> any Tokenizer {
    let model = directory.appending(path: "tokenizer.model")
    if FileManager.default.fileExists(atPath: model.path) {
      return try SentencePieceTokenizer(contentsOf: model, configuration: .init(directory: directory))
    }
    let json = directory.appending(path: "tokenizer.json")
    if FileManager.default.fileExists(atPath: json.path) { return try BytePairTokenizer(contentsOf: json) }
    throw LanguageError.noTokenizer(directory: directory.path)
  }
}
