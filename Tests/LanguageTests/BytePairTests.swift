import Foundation
import TestSupport
import Testing

@testable import Language

/// What the `tokenizers` package made of some strings; see Resources/make_bpe_cases.py.
private struct Cases: Decodable {
  struct Case: Decodable {
    let text: String
    let ids: String
    let decoded: String?
  }
  struct Decoding: Decodable {
    let ids: String
    let all: String
    let skipped: String
  }
  let cases: [Case]
  let decodings: [Decoding]

  static func load(_ name: String) throws -> Cases {
    try JSONDecoder().decode(Cases.self, from: Data(contentsOf: Fixtures.bytePair(name).appending(path: "cases.json")))
  }

  static func unpack(_ text: String) throws -> [Int] {
    let bytes = try #require(Data(base64Encoded: text))
    return stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
  }
}

@Suite struct BytePairTests {
  @Test(arguments: Fixtures.bytePairNames) func encodesAsTokenizers(name: String) throws {
    let tokenizer = try TokenizerLoader.load(from: Fixtures.bytePair(name))
    for golden in try Cases.load(name).cases {
      let expected = try Cases.unpack(golden.ids)
      let ids = try tokenizer.encode(golden.text, addSpecialTokens: true)
      #expect(ids == expected, "\(golden.text.debugDescription)")
      let decoded = try tokenizer.decode(expected, skipSpecialTokens: true)
      #expect(same(decoded, golden.decoded ?? golden.text), "\(golden.text.debugDescription)")
    }
  }

  @Test(arguments: Fixtures.bytePairNames) func decodesArbitraryIDs(name: String) throws {
    let tokenizer = try TokenizerLoader.load(from: Fixtures.bytePair(name))
    for golden in try Cases.load(name).decodings {
      let ids = try Cases.unpack(golden.ids)
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: false), golden.all), "\(ids)")
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: true), golden.skipped), "\(ids)")
    }
  }

  @Test func namesSpecialTokens() throws {
    let tokenizer = try TokenizerLoader.load(from: Fixtures.bytePair("qwen2"))
    #expect(tokenizer.bosTokenID == nil)
    #expect(tokenizer.eosTokenID == tokenizer.tokenID(of: "<|im_end|>") && tokenizer.eosTokenID != nil)
    #expect(tokenizer.padTokenID == tokenizer.tokenID(of: "<|endoftext|>") && tokenizer.padTokenID != nil)
    #expect(tokenizer.tokenID(of: "Ġ") != nil && tokenizer.tokenID(of: "no such piece") == nil)
    let llama = try TokenizerLoader.load(from: Fixtures.bytePair("llama"))
    #expect((llama.bosTokenID, llama.eosTokenID, llama.unknownTokenID) == (1, 2, 0))
    #expect(try llama.encode("", addSpecialTokens: true) == [1] && llama.encode("", addSpecialTokens: false) == [])
  }

  private struct UnicodeCases: Decodable {
    struct Pattern: Decodable {
      struct Case: Decodable {
        let text: String
        let lengths: [Int]
      }
      let spelling: String
      let cases: [Case]
    }
    struct Composition: Decodable { let text, nfc: String }
    struct Unknown: Decodable {
      struct Case: Decodable {
        let text: String
        let ids: [Int]
      }
      let tokenizer: String
      let cases: [Case]
    }
    let patterns: [Pattern]
    let compositions: [Composition]
    let unknowns: [Unknown]

    static func load() throws -> UnicodeCases {
      try JSONDecoder().decode(UnicodeCases.self, from: Data(contentsOf: Fixtures.bytePair("unicode.json")))
    }
  }

  @Test func patternsDivideAsTheirRegularExpressions() throws {
    for golden in try UnicodeCases.load().patterns {
      let pattern = try #require(PreTokenizerPattern(spelling: Array(golden.spelling.utf8)))
      for example in golden.cases {
        let words = pattern.split(Array(example.text.utf8)[...])
        #expect(words.map(\.count) == example.lengths, "\(example.text.debugDescription)")
        #expect(Array(words.joined()) == Array(example.text.utf8))
      }
    }
  }

  @Test func unknownCharactersAsInTokenizers() throws {
    for golden in try UnicodeCases.load().unknowns {
      try withTemporaryFolder { folder in
        let file = folder.appending(path: "tokenizer.json")
        try Data(golden.tokenizer.utf8).write(to: file)
        let tokenizer = try BytePairTokenizer(contentsOf: file)
        for example in golden.cases {
          #expect(try tokenizer.encode(example.text, addSpecialTokens: true) == example.ids, "\(example.text)")
        }
      }
    }
  }

  @Test func addedTokensDivideTheWholeText() {
    let tokens = [
      AddedToken(id: 1, content: "<l>", stripsLeft: true), AddedToken(id: 2, content: "<r>", stripsRight: true),
      AddedToken(id: 3, content: "<r><l>"), AddedToken(id: 4, content: "solo", singleWord: true),
    ]
    let splitter = AddedTokenSplitter(tokens)
    var random = SplitMix(seed: 2)
    for _ in 0..<500 {
      let parts = ["<l>", "<r>", " ", "\u{3000}", "solo", "é", "<", "<r", ".", "\u{301}"]
      let text = (0..<Int.random(in: 0..<10, using: &random)).compactMap { _ in parts.randomElement(using: &random) }
      let bytes = Array(text.joined().utf8)
      var end = 0
      for piece in splitter.split(bytes) {
        #expect(piece.range.lowerBound == end && !piece.range.isEmpty, "\(text)")
        end = piece.range.upperBound
        let covered = String(decoding: bytes[piece.range], as: UTF8.self)
        let content = tokens.first { $0.id == piece.token }?.content
        #expect(content.map { covered.utf8.count >= $0.utf8.count && covered.contains($0) } ?? true)
      }
      #expect(end == bytes.count)
    }
  }

  @Test func composesAsUnicodeSays() throws {
    for golden in try UnicodeCases.load().compositions {
      let composed = try UnicodeForm.nfc.apply(to: Array(golden.text.utf8))
      #expect(composed == Array(golden.nfc.utf8), "\(golden.text.debugDescription)")
    }
  }

  /// The simplest statement of byte-pair encoding: again and again merge the first pair of lowest rank.
  @Test func mergesAsTheDefinitionSays() {
    var random = SplitMix(seed: 11)
    for _ in 0..<300 {
      var table = MergeTable(capacity: 0)
      var ranks: [[Int32]: (rank: UInt32, result: Int32)] = [:]
      // Every merge makes a symbol of its own, of which later merges may be made, as in real vocabularies.
      for rank in 0..<Int32(20) {
        let pair = [Int32.random(in: 0..<5 + rank, using: &random), Int32.random(in: 0..<5 + rank, using: &random)]
        if ranks[pair] != nil { continue }
        ranks[pair] = (UInt32(rank), 5 + rank)
        table.add(pair[0], pair[1], result: 5 + rank, rank: UInt32(rank))
      }
      let word = (0..<Int.random(in: 0..<40, using: &random)).map { _ in Int32.random(in: 0..<5, using: &random) }
      var expected = word
      while true {
        let pairs = expected.indices.dropLast().compactMap { index in
          ranks[[expected[index], expected[index + 1]]].map { (index, $0.rank, $0.result) }
        }
        guard let (index, _, result) = pairs.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { break }
        expected.replaceSubrange(index...index + 1, with: [result])
      }
      #expect(table.apply(to: word) == expected)
    }
  }

  @Test func canonicallyEquivalentPiecesStayApart() throws {
    try withTemporaryFolder { folder in
      let json = """
        {"model": {"type": "BPE", "vocab": {"\u{E9}": 0, "e": 1, "\u{301}": 2, "e\u{301}": 3}, "merges": [["e", "\u{301}"]]},
         "decoder": {"type": "Fuse"}}
        """
      let file = folder.appending(path: "tokenizer.json")
      try Data(json.utf8).write(to: file)
      let tokenizer = try BytePairTokenizer(contentsOf: file)
      #expect(try tokenizer.encode("\u{E9}", addSpecialTokens: true) == [0])
      #expect(try tokenizer.encode("e\u{301}", addSpecialTokens: true) == [3])
      #expect(tokenizer.tokenID(of: "e\u{301}") == 3 && tokenizer.tokenID(of: "\u{E9}") == 0)
      #expect(same(try tokenizer.decode([0, 3], skipSpecialTokens: true), "\u{E9}e\u{301}"))
    }
  }
}
