import Foundation
import TestSupport
import Testing

@testable import Language

private struct Golden: Decodable {
  struct Mode: Decodable {
    let ids: [Int]
    let decode: String
    let decode_skip_special_no_cleanup: String
  }
  struct Case: Decodable {
    let text: String
    let spm_ids: [Int]
    let legacy_true: Mode
    let legacy_false: Mode
  }
  struct DecodeMode: Decodable {
    let decode: String
    let decode_skip_special: String
  }
  struct DecodeCase: Decodable {
    let ids: [Int]
    let legacy_true: DecodeMode
    let legacy_false: DecodeMode
  }
  let cases: [Case]
  let decode_cases: [DecodeCase]
}

@Suite struct SentencePieceTests {
  private let golden: Golden

  init() throws {
    golden = try Fixtures.decode(Golden.self, "tokenizer/cases.json")
    _ = try (Fixtures.some(golden.cases), Fixtures.some(golden.decode_cases))
  }

  @Test(arguments: [true, false]) func encodesAndDecodesAsTransformers(legacy: Bool) throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: legacy)
    for golden in golden.cases {
      let mode = legacy ? golden.legacy_true : golden.legacy_false
      let ids = try tokenizer.encode(golden.text, addSpecialTokens: true)
      #expect(ids == mode.ids, "\(golden.text.debugDescription)")
      #expect(try tokenizer.encode(golden.text, addSpecialTokens: false) == Array(mode.ids.dropFirst()))
      let decoded = try tokenizer.decode(ids, skipSpecialTokens: false)
      #expect(same(decoded, mode.decode), "\(golden.text.debugDescription)")
      let skipped = try tokenizer.decode(ids, skipSpecialTokens: true)
      #expect(same(skipped, mode.decode_skip_special_no_cleanup), "\(golden.text.debugDescription)")
    }
  }

  @Test func bareModelEncodesAsTheLibrary() throws {
    let model = try SentencePieceModel(readFile(Fixtures.model), addsDummyPrefix: true, path: "")
    for golden in golden.cases {
      #expect(try model.encode(Array(golden.text.utf8)) == golden.spm_ids, "\(golden.text.debugDescription)")
    }
  }

  @Test(arguments: [true, false]) func decodesArbitraryIDs(legacy: Bool) throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: legacy)
    for golden in golden.decode_cases {
      let mode = legacy ? golden.legacy_true : golden.legacy_false
      #expect(same(try tokenizer.decode(golden.ids, skipSpecialTokens: false), mode.decode), "\(golden.ids)")
      #expect(same(try tokenizer.decode(golden.ids, skipSpecialTokens: true), mode.decode_skip_special), "\(golden.ids)")
    }
  }

  @Test func readsTheFilesBesideTheModel() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(at: Fixtures.model, to: folder.appending(path: "tokenizer.model"))
      let size = try Fixtures.sentencePiece(legacy: true).vocabularySize
      let config = """
        {"legacy": false, "add_bos_token": true, "bos_token": {"content": "<s>"}, "eos_token": "</s>", "unk_token": "<unk>",
         "pad_token": "<pad>", "added_tokens_decoder": {
           "\(size)": {"content": "<image>", "special": true, "lstrip": false},
           "\(size + 1)": {"content": "<pad>", "special": true}}}
        """
      try Data(config.utf8).write(to: folder.appending(path: "tokenizer_config.json"))
      let tokenizer = try TokenizerLoader.load(from: folder)
      let plain = try Fixtures.sentencePiece(legacy: false)
      #expect((tokenizer as? SentencePieceTokenizer)?.legacy == false)
      #expect(tokenizer.vocabularySize == size + 2)
      #expect(tokenizer.padTokenID == size + 1)
      #expect(tokenizer.bosTokenID == plain.bosTokenID && tokenizer.eosTokenID == plain.eosTokenID)
      #expect(tokenizer.tokenID(of: "<image>") == size)
      let ids = try tokenizer.encode("a <image>b", addSpecialTokens: true)
      #expect(
        ids == (try plain.encode("a ", addSpecialTokens: true)) + [size]
          + (try plain.encode("</s>b", addSpecialTokens: false)).dropFirst())
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: true), "a b"))
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: false), "<s> a <image>b"))
    }
  }

  @Test func readsTheOlderFiles() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(at: Fixtures.model, to: folder.appending(path: "tokenizer.model"))
      let size = try Fixtures.sentencePiece(legacy: true).vocabularySize
      try Data(#"{"<x>": \#(size)}"#.utf8).write(to: folder.appending(path: "added_tokens.json"))
      try Data(#"{"pad_token": "<x>", "additional_special_tokens": ["<x>"]}"#.utf8)
        .write(to: folder.appending(path: "special_tokens_map.json"))
      let tokenizer = try TokenizerLoader.load(from: folder)
      #expect((tokenizer as? SentencePieceTokenizer)?.legacy == true)
      #expect(tokenizer.padTokenID == size)
      #expect(try tokenizer.encode("<x>", addSpecialTokens: false) == [size])
      #expect(try tokenizer.decode([size], skipSpecialTokens: true) == "")
    }
  }

  @Test func oneTokenizerServesManyTasks() async throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: false)
    let texts = golden.cases.map(\.text)
    let expected = try texts.map { try tokenizer.encode($0, addSpecialTokens: true) }
    try await withThrowingTaskGroup(of: [[Int]].self) { group in
      for _ in 0..<8 {
        group.addTask { try texts.map { try tokenizer.encode($0, addSpecialTokens: true) } }
      }
      for try await ids in group { #expect(ids == expected) }
    }
  }

  @Test func idsBeyondTheVocabularyDecodeToNothing() throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: false)
    #expect(try tokenizer.decode([tokenizer.vocabularySize, .max], skipSpecialTokens: true) == "")
    #expect(throws: LanguageError.invalidTokenID(-200)) { try tokenizer.decode([-200], skipSpecialTokens: true) }
  }
}
