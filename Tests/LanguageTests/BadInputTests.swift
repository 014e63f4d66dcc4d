import Foundation
import TestSupport
import Testing

@testable import Language

/// Whatever lies in a checkpoint folder, loading gives a tokenizer or one sentence that names the file.
@Suite struct BadInputTests {
  /// Loads a folder that holds the given files and returns the error's sentence.
  private func complaint(_ files: [String: Data]) throws -> String {
    var message = ""
    try withTemporaryFolder { folder in
      for (name, data) in files { try data.write(to: folder.appending(path: name)) }
      let error = #expect(throws: LanguageError.self) { try TokenizerLoader.load(from: folder) }
      message = try #require(error?.description)
    }
    #expect(!message.contains("\n") && message.hasSuffix("."), "\(message)")
    return message
  }

  @Test func missingFolderAndFiles() throws {
    #expect(try complaint([:]).contains("neither tokenizer.model nor tokenizer.json"))
    #expect(throws: LanguageError.self) { try TokenizerLoader.load(from: URL(filePath: "/no/such/folder")) }
    #expect(throws: LanguageError.self) { try SentencePieceTokenizer(contentsOf: URL(filePath: "/no/such/file")) }
    #expect(throws: LanguageError.self) { try BytePairTokenizer(contentsOf: URL(filePath: "/tmp")) }
  }

  @Test func brokenSentencePieceModels() throws {
    let model = try Data(contentsOf: Fixtures.model)
    let cases = [
      Data(), Data("not a model".utf8), Data([0x0A, 0xFF]), Data(repeating: 0xFF, count: 100), model.prefix(7),
      model.prefix(model.count / 2 + 1), Data([0x08, 0x01]), model + [0x0A, 0x7F],
    ]
    for data in cases { #expect(try complaint(["tokenizer.model": data]).contains("tokenizer.model")) }
  }

  @Test func truncatedModelsNeverTrap() throws {
    let model = try readFile(Fixtures.model)
    for count in stride(from: 0, to: model.count, by: 401) {
      // A cut behind the settings may leave a valid file; all that matters is that nothing traps.
      _ = try? SentencePieceModel(Array(model.prefix(count)), addsDummyPrefix: false, path: "")
    }
  }

  @Test func brokenNeighbours() throws {
    let model = try Data(contentsOf: Fixtures.model)
    let cases = [
      ("tokenizer_config.json", "{", "byte"), ("tokenizer_config.json", "[]", "object"),
      ("tokenizer_config.json", #"{"legacy": "no"}"#, "legacy"), ("tokenizer_config.json", #"{"eos_token": 2}"#, "eos_token"),
      ("tokenizer_config.json", #"{"eos_token": {}}"#, "eos_token.content"),
      ("tokenizer_config.json", #"{"added_tokens_decoder": {"x": {"content": "a"}}}"#, "added_tokens_decoder.x"),
      ("tokenizer_config.json", #"{"added_tokens_decoder": {"5": {}}}"#, "added_tokens_decoder.5.content"),
      ("tokenizer_config.json", #"{"added_tokens_decoder": []}"#, "added_tokens_decoder"),
      ("added_tokens.json", #"{"a": -1}"#, "a"), ("added_tokens.json", #"{"a": 1e99}"#, "a"),
      ("special_tokens_map.json", #"{"pad_token": []}"#, "pad_token"),
      ("special_tokens_map.json", #"{"additional_special_tokens": "x"}"#, "additional_special_tokens"),
    ]
    for (file, text, field) in cases {
      let message = try complaint(["tokenizer.model": model, file: Data(text.utf8)])
      #expect(message.contains(file) && message.contains(field), "\(message)")
    }
    let latin = try complaint(["tokenizer.model": model, "tokenizer_config.json": Data([0x7B, 0xE9, 0x7D])])
    #expect(latin.contains("UTF-8"))
  }

  @Test func unsupportedAndBrokenTokenizerJSON() throws {
    let vocabulary = #""vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]"#
    let model = #""model": {"type": "BPE", \#(vocabulary)}"#
    let decoder = #""decoder": {"type": "ByteLevel"}"#
    let cases = [
      ("", "byte"), ("nonsense", "byte"), ("{}", "model"), ("[]", "model"), (#"{"model": {"type": "BPE"}}"#, "vocab"),
      (#"{"model": {"type": "WordPiece", \#(vocabulary)}}"#, "WordPiece"),
      (#"{"model": {"type": "Unigram", "vocab": []}}"#, "Unigram"),
      (#"{"model": {"vocab": {"a": -1}, "merges": []}}"#, "model.vocab"),
      (#"{"model": {"vocab": {"a": 0.5}, "merges": []}}"#, "model.vocab"),
      (#"{"model": {"vocab": {"a": 2000000000}, "merges": []}, \#(decoder)}"#, "model.vocab"),
      (#"{"model": {"vocab": {"a": 0}, "merges": ["a b"]}}"#, "model.merges"),
      (#"{"model": {"vocab": {"a": 0}, "merges": ["a a"]}}"#, "model.merges"),
      (#"{"model": {"vocab": {"a": 0}, "merges": [["a"]]}}"#, "model.merges"),
      (#"{"model": {"vocab": {"a": 0}, "merges": [7]}}"#, "model.merges"),
      (#"{"model": {"vocab": {"a": 0}, "merges": {}}}"#, "model.merges"),
      (#"{"model": {"unk_token": "?", \#(vocabulary)}}"#, "model.unk_token"),
      (#"{"model": {"dropout": 0.1, \#(vocabulary)}}"#, "model.dropout"),
      (#"{"model": {"end_of_word_suffix": "</w>", \#(vocabulary)}}"#, "model.end_of_word_suffix"),
      (#"{\#(model), \#(decoder), "normalizer": {"type": "Nmt"}}"#, "Nmt"),
      (#"{\#(model), \#(decoder), "normalizer": {}}"#, "normalizer.type"),
      (
        #"{\#(model), \#(decoder), "normalizer": {"type": "Replace", "pattern": {"Regex": "a("}, "content": ""}}"#,
        "pattern.Regex"
      ),
      (
        #"{\#(model), \#(decoder), "normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}}"#,
        "pattern.String"
      ),
      (#"{\#(model), \#(decoder), "pre_tokenizer": {"type": "UnicodeScripts"}}"#, "UnicodeScripts"),
      (
        #"{\#(model), \#(decoder), "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\d"}, "behavior": "Isolated"}}"#,
        "pre_tokenizer.pattern.Regex"
      ),
      (
        #"{\#(model), \#(decoder), "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\d"}, "behavior": "Sideways"}}"#,
        "Sideways"
      ),
      (
        #"{\#(model), \#(decoder), "pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "ab"}}"#,
        "pre_tokenizer.delimiter"
      ),
      (#"{\#(model), \#(decoder), "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}}}"#, "pre_tokenizer.behavior"),
      (
        #"{\#(model), \#(decoder), "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "x"}}"#,
        "prepend_scheme"
      ),
      (#"{\#(model), \#(decoder), "post_processor": {"type": "BertProcessing"}}"#, "BertProcessing"),
      (#"{\#(model), \#(decoder), "post_processor": {"type": "TemplateProcessing", "single": []}}"#, "post_processor"),
      (
        #"{\#(model), \#(decoder), "post_processor": {"type": "TemplateProcessing", "special_tokens": {}, "single": [{"SpecialToken": {"id": "<s>"}}]}}"#,
        "post_processor.special_tokens.<s>"
      ),
      (#"{\#(model)}"#, "decoder"), (#"{\#(model), "decoder": {"type": "WordPiece"}}"#, "WordPiece"),
      (
        #"{\#(model), "decoder": {"type": "Sequence", "decoders": [{"type": "Strip", "content": "x", "start": 1, "stop": 0}]}}"#,
        "strip"
      ),
      (#"{\#(model), \#(decoder), "added_tokens": [{"content": "<s>"}]}"#, "added_tokens[0].id"),
      (#"{\#(model), \#(decoder), "added_tokens": [{"id": 99999999999, "content": "<s>"}]}"#, "added_tokens[0].id"),
      (#"{\#(model), \#(decoder), "added_tokens": [{"id": 3}]}"#, "added_tokens[0].content"),
    ]
    for (text, field) in cases {
      let message = try complaint(["tokenizer.json": Data(text.utf8)])
      #expect(message.contains("tokenizer.json") && message.contains(field), "\(text): \(message)")
    }
  }

  @Test(arguments: Fixtures.bytePairNames) func damagedTokenizerJSONNeverTraps(name: String) throws {
    let bytes = try readFile(Fixtures.bytePair(name).appending(path: "tokenizer.json"))
    var random = SplitMix(seed: 17)
    try withTemporaryFolder { folder in
      let file = folder.appending(path: "tokenizer.json")
      for _ in 0..<50 {
        var damaged = bytes
        for _ in 0..<3 {
          damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
        }
        try Data(damaged).write(to: file)
        guard let tokenizer = try? TokenizerLoader.load(from: folder) else { continue }
        let ids = try tokenizer.encode("Hello  world, 123 '\u{E9}\n", addSpecialTokens: true)
        _ = try tokenizer.decode(ids, skipSpecialTokens: true)
      }
    }
  }
}
