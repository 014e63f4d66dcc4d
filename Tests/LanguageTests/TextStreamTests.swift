import Foundation
import Testing

@testable import Language

@Suite struct TextStreamTests {
  private let texts = [
    "", " ", "Hello world", "  two leading", "naïve café 你好，世界。 😀👩‍👩‍👧‍👦🇫🇷", "a\n\nb\t c ", "مرحبا \u{301}\u{302} नमस्ते",
    "<s>Hello</s> there<|im_end|>\nsolo <mask>", "\u{2581}x \u{2581}\u{301}", "🧑🏽‍🚀 in Ωrbit: ½ ᄒ\u{1161}\u{11AB}",
  ]

  /// Feeds ids one by one; returns the pieces, the flushed rest last.
  private func pieces(_ ids: [Int], _ tokenizer: any Tokenizer) throws -> [String] {
    var stream = TextStream(tokenizer)
    var pieces = try ids.map { try stream.append($0) }
    pieces.append(try stream.finish())
    return pieces
  }

  @Test func piecesOfTextsEqualTheWhole() throws {
    for (name, tokenizer) in try Fixtures.allTokenizers() {
      for text in texts {
        let ids = try tokenizer.encode(text, addSpecialTokens: true)
        let pieces = try pieces(ids, tokenizer)
        let whole = try tokenizer.decode(ids, skipSpecialTokens: true)
        #expect(same(pieces.joined(), whole), "\(name): \(text.debugDescription)")
        // Valid text never shows the mark of a broken character, not even in passing.
        #expect(!pieces.contains { $0.unicodeScalars.contains("\u{FFFD}") }, "\(name): \(text.debugDescription)")
      }
    }
  }

  @Test func piecesOfRandomIDsEqualTheWhole() throws {
    var random = SeededGenerator(state: 5)
    for (name, tokenizer) in try Fixtures.allTokenizers() {
      // Half the ids from the low end, where SentencePiece keeps its bytes.
      for round in 0..<150 {
        let limit = round % 2 == 0 ? min(264, tokenizer.vocabularySize) : tokenizer.vocabularySize + 3
        let ids = (0..<Int.random(in: 1..<30, using: &random)).map { _ in Int.random(in: 0..<limit, using: &random) }
        let whole = try tokenizer.decode(ids, skipSpecialTokens: true)
        #expect(same(try pieces(ids, tokenizer).joined(), whole), "\(name): \(ids)")
      }
    }
  }

  @Test func textAppearsAsSoonAsItIsCertain() throws {
    let modern = try Fixtures.sentencePiece(legacy: false)
    // Four byte pieces: the character comes with the last of them.
    let bytes = try ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"].map { try #require(modern.tokenID(of: $0)) }
    #expect(try pieces(bytes, modern) == ["", "", "", "😀", ""])
    #expect(try pieces(Array(bytes.dropLast()), modern) == ["", "", "", "\u{FFFD}\u{FFFD}\u{FFFD}"])
    let qwen = try TokenizerLoader.load(from: Fixtures.bytePair("qwen2"))
    let words = try qwen.encode("the man is", addSpecialTokens: false)
    #expect(try pieces(words, qwen).dropLast().allSatisfy { !$0.isEmpty })
  }

  /// A tokenizer that brings no detokenizer of its own: ids are bytes.
  private struct Bytes: Tokenizer {
    let vocabularySize = 256
    let bosTokenID, eosTokenID, padTokenID, unknownTokenID: Int?
    init() { (bosTokenID, eosTokenID, padTokenID, unknownTokenID) = (nil, nil, nil, nil) }
    func encode(_ text: String, addSpecialTokens: Bool) -> [Int] { text.utf8.map(Int.init) }
    func decode(_ ids: [Int], skipSpecialTokens: Bool) -> String {
      String(decoding: ids.map { UInt8($0) }, as: UTF8.self)
    }
    func tokenID(of piece: String) -> Int? { nil }
  }

  @Test func defaultDetokenizerStreamsToo() throws {
    let tokenizer = Bytes()
    for text in texts + ["ends in \u{FFFD}", "\u{FFFD}\u{FFFD} amid"] {
      let ids = tokenizer.encode(text, addSpecialTokens: false)
      #expect(same(try pieces(ids, tokenizer).joined(), text), "\(text.debugDescription)")
    }
  }

  @Test(arguments: [UTF8Assembler.Repair.maximalSubpart, .eachByte]) func assemblerDoesNotDependOnPieces(
    repair: UTF8Assembler.Repair
  ) {
    var random = SeededGenerator(state: 8)
    // Bytes that often form characters, or nearly.
    let alphabet: [UInt8] = [0x41, 0x80, 0xBF, 0xA0, 0xC2, 0xC0, 0xE0, 0xE4, 0xED, 0xEF, 0xF0, 0x9F, 0x98, 0xF4, 0xF5, 0xFF]
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0..<12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
      var whole = UTF8Assembler(repair: repair)
      var single = UTF8Assembler(repair: repair)
      let expected = whole.append(bytes) + whole.finish()
      let text = bytes.map { single.append([$0]) }.joined() + single.finish()
      #expect(same(text, expected), "\(bytes)")
      switch repair {
      case .maximalSubpart: #expect(same(text, String(decoding: bytes, as: UTF8.self)), "\(bytes)")
      case .eachByte:
        // Every byte is in the text: as part of a valid character, or as one mark.
        let count = text.unicodeScalars.map { $0 == "\u{FFFD}" ? 1 : UTF8.width($0) }.reduce(0, +)
        #expect(count == bytes.count, "\(bytes)")
      }
    }
  }
}
