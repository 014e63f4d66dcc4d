import Foundation
import TestSupport
import Testing

@testable import Language

/// Tokenizers made of the lists that GGUF files hold, against the packages `tokenizers` and `sentencepiece`; see Resources/make_gguf_vocabularies.py.
@Suite struct GGUFVocabularyTests {
  private struct Golden: Decodable {
    struct ByteLevel: Decodable {
      let tokens, merges: [String]
      let kinds: [Int]
      let bos, eos: Int
      let ways: [String: [[Int]]]
    }
    struct SentencePiece: Decodable {
      let tokens: [String]
      let kinds: [Int]
      let scores: [Double]
      let bos, eos, unknown: Int
      let ids: [[Int]?]
    }
    let texts: [String]
    let byteLevel: ByteLevel
    let sentencePiece: SentencePiece

    init() throws {
      self = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: Fixtures.bytePair("gguf.json")))
    }
  }

  private static func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

  private static func byteLevel(_ golden: Golden, _ way: String?) -> GGUFVocabulary {
    var made = GGUFVocabulary(file: "made.gguf", model: "gpt2", tokens: bytes(golden.byteLevel.tokens))
    made.preTokenizer = way
    made.kinds = golden.byteLevel.kinds
    made.merges = bytes(golden.byteLevel.merges)
    (made.bosTokenID, made.eosTokenID) = (golden.byteLevel.bos, golden.byteLevel.eos)
    return made
  }

  private static func sentencePiece(_ golden: Golden) -> GGUFVocabulary {
    let list = golden.sentencePiece
    var made = GGUFVocabulary(file: "made.gguf", model: "llama", tokens: bytes(list.tokens))
    (made.kinds, made.scores) = (list.kinds, list.scores)
    (made.bosTokenID, made.eosTokenID, made.unknownTokenID) = (list.bos, list.eos, list.unknown)
    return made
  }

  /// The tokenizer that the program makes of the two files.
  private static func load(_ vocabulary: GGUFVocabulary) throws -> any Tokenizer {
    try withTemporaryFolder { folder in
      try Data(vocabulary.tokenizerJSON()).write(to: folder.appending(path: "tokenizer.json"))
      try Data(vocabulary.configurationJSON()).write(to: folder.appending(path: "tokenizer_config.json"))
      return try TokenizerLoader.load(from: folder)
    }
  }

  @Test(arguments: ["gpt-2", "smollm", "llama-bpe", "qwen2"]) func byteLevelIDs(way: String) throws {
    let golden = try Golden()
    let tokenizer = try Self.load(Self.byteLevel(golden, way))
    let expected = try #require(golden.byteLevel.ways[way])
    #expect(golden.texts.count > 40 && expected.count == golden.texts.count)
    for (text, ids) in zip(golden.texts, expected) {
      #expect(try tokenizer.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
      if way != "qwen2", way != "llama-bpe" {
        #expect(same(try tokenizer.decode(ids, skipSpecialTokens: false), text), "\(text.debugDescription)")
      }
    }
    #expect(tokenizer.bosTokenID == golden.byteLevel.bos && tokenizer.eosTokenID == golden.byteLevel.eos)
    #expect(tokenizer.specialSpellings == ["<|end|>", "<|start|>"])
  }

  /// The ways differ on these texts, so that none of them can stand for another.
  @Test func waysDiffer() throws {
    let ways = try Golden().byteLevel.ways
    #expect(Set(ways.values).count == 4)
  }

  @Test func sentencePieceIDs() throws {
    let golden = try Golden()
    let tokenizer = try Self.load(Self.sentencePiece(golden))
    var count = 0
    for (text, ids) in zip(golden.texts, golden.sentencePiece.ids) {
      guard let ids else { continue }
      count += 1
      #expect(try tokenizer.encode(text, addSpecialTokens: true) == ids, "\(text.debugDescription)")
      // The mark that stands for a space comes back as one.
      if text.unicodeScalars.contains("\u{2581}") { continue }
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: true), text), "\(text.debugDescription)")
    }
    #expect(count > 40 && tokenizer.unknownTokenID == 0)
    // As llama.cpp does: a space behind special tokens too.
    let word = try tokenizer.encode("in", addSpecialTokens: false)
    #expect(try tokenizer.encode("</s>in", addSpecialTokens: false) == [2] + word)
  }

  @Test func settingsAreKept() throws {
    let golden = try Golden()
    var plain = Self.sentencePiece(golden)
    plain.addsSpacePrefix = false
    (plain.addsBOS, plain.addsEOS) = (false, true)
    let tokenizer = try Self.load(plain)
    let usual = try Self.load(Self.sentencePiece(golden))
    let text = "in 2024"
    let ids = try tokenizer.encode(text, addSpecialTokens: true)
    #expect(ids.last == 2 && ids.first != 1)
    #expect(try ids.dropLast() == tokenizer.encode(text, addSpecialTokens: false)[...])
    #expect(try tokenizer.encode(text, addSpecialTokens: false) != usual.encode(text, addSpecialTokens: false))
    #expect(try tokenizer.decode(Array(ids.dropLast()), skipSpecialTokens: true) == text)

    var framed = Self.byteLevel(golden, nil)
    (framed.addsBOS, framed.addsEOS, framed.padTokenID) = (true, true, golden.byteLevel.eos)
    framed.chatTemplate = "{{ \"x\\n\" }}\n"
    framed.imageToken = (golden.byteLevel.tokens.count, "<image>")
    let whole = try Self.load(framed)
    let wanted = [golden.byteLevel.bos, golden.byteLevel.tokens.count, golden.byteLevel.eos]
    #expect(try whole.encode("<image>", addSpecialTokens: true) == wanted)
    #expect(whole.padTokenID == golden.byteLevel.eos && whole.vocabularySize == golden.byteLevel.tokens.count + 1)
    let configuration = try JSONReader.parse(framed.configurationJSON())
    #expect(JSONNode(value: configuration, file: "", path: "")["chat_template"]?.value == JSONValue.text("{{ \"x\\n\" }}\n"))
  }

  /// Two tokens that are canonically equivalent stay two.
  @Test func equivalentTokensStayApart() throws {
    var made = Self.sentencePiece(try Golden())
    let count = made.tokens.count
    made.tokens += [Array("t\u{308}".utf8), Array("\u{1E97}".utf8), Array("\"\\\u{1}".utf8)]
    made.kinds? += [4, 4, 4]
    made.scores? += [0, 0, 0]
    let tokenizer = try Self.load(made)
    let ids = try tokenizer.encode("t\u{308}\u{1E97}\"\\\u{1}", addSpecialTokens: false)
    #expect(ids == [count, count + 1, count + 2])
  }

  private static let faults: [(says: String, change: @Sendable (inout GGUFVocabulary) -> Void)] = [
    ("tokenizer.ggml.model: bert", { $0.model = "bert" }), ("tokenizer.ggml.pre: viking", { $0.preTokenizer = "viking" }),
    ("ggml.merges: is missing", { $0.merges = nil }), ("merge 0", { $0.merges?[0] = Array("ab".utf8) }),
    ("merge 1", { $0.merges?[1] = Array("no such".utf8) }), ("token_type", { _ = $0.kinds?.removeLast() }),
    ("is empty", { $0.tokens = [] }), ("bos_token_id", { $0.bosTokenID = -1 }), ("eos_token_id", { $0.eosTokenID = 1 << 40 }),
    ("are the same text", { $0.tokens[7] = $0.tokens[8] }), ("is no text", { $0.tokens[9] = [0xff] }),
    ("is no text", { $0.tokens[9] = [UInt8](repeating: 65, count: 5000) }),
    ("ggml.scores: is missing", { $0.model = "llama" }),
    (
      "ggml.scores: not all",
      {
        $0.model = "llama"
        $0.scores = $0.tokens.map { _ in .nan }
      }
    ),
  ]

  @Test(arguments: faults.indices) func listsThatMakeNoSense(_ index: Int) throws {
    let (says, change) = Self.faults[index]
    var made = Self.byteLevel(try Golden(), "smollm")
    change(&made)
    let error = #expect(throws: LanguageError.self) { try made.tokenizerJSON() }
    let text = error?.description ?? ""
    #expect(text.contains(says) && text.contains("made.gguf") && !text.contains("\n"), "\(says): \(text)")
  }
}
