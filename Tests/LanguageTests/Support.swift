import Foundation
import Testing

@testable import Language

/// Golden data: the folder named by EPIC_FIXTURES, or the copy inside the project.
enum Fixtures {
  private static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

  static let folder: URL =
    ProcessInfo.processInfo.environment["EPIC_FIXTURES"].map { URL(filePath: $0) } ?? tests.appending(path: "Fixtures")

  static let model = folder.appending(path: "tokenizer/tokenizer.model")

  /// Tokenizers and cases made by make_bpe_cases.py.
  static func bytePair(_ name: String) -> URL { tests.appending(path: "LanguageTests/Resources/\(name)") }

  static let bytePairNames = ["gpt2", "qwen2", "llama3", "llama", "llama_metaspace"]

  static func decode<T: Decodable>(_ type: T.Type, _ path: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(contentsOf: folder.appending(path: path)))
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

/// A folder for one test, removed afterwards.
func withTemporaryFolder(_ body: (URL) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: "language-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder)
}

/// A small generator with a seed (SplitMix64), so that failures repeat.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
