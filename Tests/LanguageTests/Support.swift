import Foundation
import TestSupport
import Testing

@testable import Language

extension Fixtures {
  static let model = url("tokenizer/tokenizer.model")

  /// Tokenizers and cases made by make_bpe_cases.py.
  static func bytePair(_ name: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/\(name)")
  }

  static let bytePairNames = ["gpt2", "qwen2", "llama3", "llama", "llama_metaspace"]

  static func decode<T: Decodable>(_ type: T.Type, _ path: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(contentsOf: url(path)))
  }

  static func sentencePiece(legacy: Bool) throws -> SentencePieceTokenizer {
    var configuration = SentencePieceTokenizer.Configuration()
    configuration.legacy = legacy
    return try SentencePieceTokenizer(contentsOf: model, configuration: configuration)
  }

  /// Every tokenizer there is data for, with a name for messages.
  static func allTokenizers() throws -> [(String, any Tokenizer)] {
    try [("legacy", sentencePiece(legacy: true)), ("modern", sentencePiece(legacy: false))]
      + bytePairNames.map { ($0, try TokenizerLoader.load(from: bytePair($0))) }
  }
}

/// Whether two texts are the same bytes; `==` would also accept canonical equivalents.
func same(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }
