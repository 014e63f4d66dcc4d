import TestSupport
import Testing

@testable import Language

/// Text that spells special tokens is content, and all other text is encoded as ever.
@Suite struct LiteralTextTests {
  @Test func whatSpellsASpecialTokenIsContent() throws {
    for (name, tokenizer) in try Fixtures.allTokenizers() {
      let special = Set(tokenizer.specialSpellings.compactMap { tokenizer.tokenID(of: $0) })
      #expect(!special.isEmpty, "\(name)")
      for spelling in try Fixtures.some(tokenizer.specialSpellings) + [imageTag] {
        for text in [spelling, "a \(spelling) b", spelling + spelling, "\(spelling)\u{301}"] {
          let literal = try encodeWithImages(tokenizer.literal(text), tokenizer: tokenizer)
          #expect(!literal.contains(imagePlaceholderID), "\(name): \(text)")
          let added = try Set(tokenizer.encode("", addSpecialTokens: true))
          #expect(
            literal.allSatisfy { !special.contains($0) || added.contains($0) || $0 == tokenizer.unknownTokenID },
            "\(name): \(text)")
        }
      }
    }
  }

  /// Bytes are kept where a vocabulary has all of them, and puts none in front.
  @Test(arguments: ["qwen2", "llama3"]) func literalTextIsDecodedAsItWas(_ name: String) throws {
    let tokenizer = try TokenizerLoader.load(from: Fixtures.bytePair(name))
    for spelling in tokenizer.specialSpellings + [imageTag] {
      let text = "x\(spelling)y \(spelling)"
      let ids = try tokenizer.encode(tokenizer.literal(text), addSpecialTokens: false)
      #expect(same(try tokenizer.decode(ids, skipSpecialTokens: true), text), "\(text)")
    }
  }

  @Test func otherTextIsLeftAlone() throws {
    for (_, tokenizer) in try Fixtures.allTokenizers() {
      for text in ["", "what is this?", "a < b > c", "ASSISTANT: é 猫 😀", "<", "</", "image>"] {
        #expect(same(tokenizer.literal(text), text))
      }
    }
  }
}
