import Compression
import LLaVA
import TestSupport
import Testing

/// Plans in words: what is read is what is written, and what cannot be read is refused with a reason.
@Suite struct SpellingTests {
  @Test func plansAreWrittenAsTheyAreRead() throws {
    for (text, written) in [
      ("dart:64@2", "dart:64@2"), ("dart:64", "dart:64@2"), ("pool:144", "pool:144@tower"),
      ("downsample:64", "downsample:64@picture"),
      ("dart:64@2,dart:16@15", "dart:64@2,dart:16@15"), ("random:11%@features", "random:11%@features"),
      ("uniform:12.5%@tower.6,fastv:ratio=0.889@8", "uniform:12.5%@tower.6,fastv:ratio=0.889@8"),
      ("dart:64:text-pivots=2:image-pivots=8@3", "dart:64:image-pivots=8:text-pivots=2@3"),
      ("dart:64:semantics=reference@3", "dart:64:semantics=reference@3"), ("fastv:64/128@2", "fastv:64/128@2"),
    ] {
      let plan = try CompressionPlan(text)
      #expect(plan.description == written)
      #expect(try CompressionPlan(plan.description).description == written)
    }
    let dart = try #require(try CompressionPlan("dart:9:image-pivots=8@2").stages[0].reducer as? DART)
    #expect(dart.imagePivots == 8 && dart.textPivots == 4 && dart.semantics == .corrected)
  }

  @Test func whatCannotBeReadIsRefusedWithAReason() {
    for (text, fragment) in [
      ("", "expected compressor:amount"), ("dart", "expected compressor:amount"), ("drat:64", "there is no compressor drat"),
      ("dart:many", "the amount is \"many\""), ("dart:64@", "the site is \"\""), ("dart:64@x", "the site is \"x\""),
      ("dart:64@tower.-1", "the site is"), ("dart:64@2@3", "expected compressor:amount"),
      ("dart:64@features", "does not work at features"),
      ("downsample:64@2", "does not work at decoder"), ("dart:64@2,dart:32@2", "after the first cut's 2"),
      ("dart:16@2,dart:64@9", "keeps 64"), ("fastv:64@8,pool:32@features", "comes after"), ("dart:-1", "keep is -1"),
      ("dart:101%", "101"), ("dart:ratio=1.5", "ratio is 1.5"), ("dart:ratio=nan", "ratio is nan"),
      ("dart:64:pivots=3", "no option pivots; known are image-pivots, text-pivots, semantics"),
      ("fastv:64:semantics=wrong", "corrected or reference"), ("dart:64:image-pivots=a", "a whole number"),
      ("dart:64:image-pivots=0", "image-pivots is 0"), ("random:64:seed=1", "has no options"),
      ("dart:64:x", "expected name=value"), ("dart:64/@2", "the amount is"), ("dart:64/-1@2", "keep is -1"),
      ("dart:64:text-pivots=1:text-pivots=2", "twice"), ("dart:64,", "expected compressor:amount"),
    ] {
      let error = #expect(throws: CompressionError.self, "\(text)") { try CompressionPlan(text) }
      #expect(error?.description.contains(fragment) == true, "\(text): \(error?.description ?? "")")
    }
  }

  /// Each image of a sample has a number of its own, the last one counts for all further ones.
  @Test func imagesHaveNumbersOfTheirOwn() throws {
    let plan = try CompressionPlan("fastv:4/9@2")
    #expect(try plan.resolve(imageTokens: [[16, 16, 16], [16], []], layers: 4)[0].counts == [[4, 9, 9], [4], []])
    #expect(throws: CompressionError.self) { try plan.resolve(imageTokens: [[16, 8]], layers: 4) }
  }

  /// Tokens wherever they cost something, against counting by hand.
  @Test func tokensOfAPlanAreCountedWhereTheyAre() throws {
    let model = try LLaVAConfiguration.preset("llava-1.5-7b")
    func tokens(_ text: String) throws -> PlannedTokens { try model.tokens(of: CompressionPlan(text)) }
    let two = try tokens("dart:64@2,dart:16@15")
    #expect(two.decoder == Array(repeating: 576, count: 2) + Array(repeating: 64, count: 13) + Array(repeating: 16, count: 17))
    #expect(two.tower == Array(repeating: 576, count: 23) && two.projector == 576 && two.positions == 576 && two.last == 16)
    let early = try tokens("random:288@tower.10,uniform:144@features,fastv:36@4")
    #expect(early.tower == Array(repeating: 576, count: 10) + Array(repeating: 288, count: 13))
    #expect(early.projector == 288 && early.positions == 576 && early.decoder.prefix(5) == [144, 144, 144, 144, 36])
    let pool = try tokens("pool:144")
    #expect(
      pool.tower.allSatisfy { $0 == 576 } && pool.projector == 144 && pool.positions == 144
        && pool.decoder.allSatisfy { $0 == 144 })
    let small = try tokens("downsample:64")
    #expect(small.patches == 64 && small.tower.allSatisfy { $0 == 64 } && small.positions == 64)
    #expect(throws: CompressionError.self) { try tokens("random:9@tower.24") }
    #expect(throws: CompressionError.self) { try tokens("dart:9@33") }
  }

  /// Numbers from files may be as large as they like.
  @Test func hugePivotsDoNotOverflow() throws {
    for (image, text) in [(Int.max, Int.max), (1, Int.max), (Int.max, 0)] {
      let dart = try DART(imagePivots: image, textPivots: text)
      for ratio in [0, 0.5, 1] { #expect((1...576).contains(dart.count(ratio: ratio, of: 576))) }
    }
  }
}
