import LLaVA
import TestSupport
import Testing
import Torch

@testable import Compression

/// SparseVLM against records of its authors' code.
@Suite struct GoldenSparseVLMTests {
  private typealias Golden = GoldenReducers

  @Test(arguments: GoldenReducers.cases("sparsevlm") { $0.kept != nil && $0.heads != nil })
  func scoresAndWhatIsKept(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("sparsevlm", golden)
    let attention = try data.input("attn_text_vis")
    let scores = try SparseVLM.scores(attention.rows(data.input("raters").to(.int64), 1))
    #expect(try distance(scores, data.output("relation")) < 1e-6)
    let parts = Recycling(keeping: try #require(data.own.params.kept), of: attention.size(2))
    let found = try #require(parts.reduction(scores, .randn([attention.size(2), 4]), keepsOrder: false).kept)
    #expect(try Array(found.array(Int.self).prefix(parts.kept)) == data.indices("kept"))
  }

  @Test(arguments: GoldenReducers.cases("sparsevlm") { $0.clusters != nil })
  func clusters(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("sparsevlm", golden)
    let (rows, noise) = (try data.input("x"), try data.input("rand"))
    for sample in 0..<rows.size(0) {
      let peaks = try DensityPeaks(
        rows.selected(0, sample), #require(data.own.params.clusters), noise: noise.selected(0, sample))
      #expect(try peaks.centres.array(Int.self) == data.indices("centres", image: sample))
      #expect(try peaks.assignment.array(Int.self) == data.indices("assignment", image: sample))
      let merged = try peaks.shares().matmul(rows.selected(0, sample))
      #expect(try distance(merged, data.output("merged").selected(0, sample)) < 1e-5)
    }
  }

  /// A whole model, layer by layer: raters, scores, what is kept and recycled, clusters, and all that follows.
  @Test(arguments: GoldenReducers.cases("sparsevlm") { $0.layers != nil && $0.version == "1.5" })
  func aWholeModel(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("sparsevlm", golden)
    var model = try GoldenDecoder(data)
    for stage in try #require(data.own.stages) {
      let tokens = try model.tokens(behind: stage)
      let reducer = SparseVLM(semantics: .reference)
      if stage.layer == data.own.stages?.first?.layer {
        let words = try tokens.inputText(of: tokens.ratingRows(.reference))
        #expect(try SparseVLM.raters(of: words, by: tokens.inputTokens()) == data.indices("raters_v"))
      }
      let scores = try reducer.scores(tokens)
      let recycled = try data.storedIndices(stage.recycled)
      #expect(
        try model.recycle(tokens, scores, by: reducer, at: stage) == data.storedIndices(stage.centres).map { recycled[$0] })
    }
    #expect(try distance(model.finished(), data.output("last_hidden_state").selected(0, 0)) < 5e-4)
  }

  /// The second version: distance and weak heads left out, nothing merged, positions kept.
  @Test(arguments: GoldenReducers.cases("sparsevlm") { $0.layers != nil && $0.version == "2.0" })
  func aWholeModelOfTheSecondVersion(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("sparsevlm", golden)
    var model = try GoldenDecoder(data)
    let reducer = SparseVLMPlus(semantics: .reference)
    for stage in try #require(data.own.stages) {
      let tokens = try model.tokens(behind: stage)
      let expected = try data.stored(stage.relation)
      // Where what distance does is near zero, rounding is large: relative to the score, not to the largest of all.
      let errors = try ((reducer.scores(tokens) - expected).abs() / expected.abs().clamped(1e-3)).max().item()
      #expect(errors < 1e-3, "\(errors)")
      let kept = try data.storedIndices(stage.kept)
      let found = try Golden.reduce(reducer, kept.count, [tokens])[0]
      #expect(try found.kept?.array(Int.self) == kept)
      // At its own positions, which are the recorded ones.
      try model.goOn(with: found, at: nil)
      #expect(try model.batch.positions.rotary.reshaped([-1]).array(Int.self) == data.storedIndices(stage.positions))
    }
    #expect(try distance(model.finished(), data.output("last_hidden_state").selected(0, 0)) < 5e-4)
  }

  @Test(arguments: GoldenReducers.cases("sparsevlm") { $0.kept == nil && $0.heads == 16 && $0.layers == nil })
  func headsAreChosenByWhatTheirRatersPay(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("sparsevlm", golden)
    let attention = try data.input("attn_full_heads").rows(data.input("raters").to(.int64), 1)
    #expect(try SparseVLMPlus(semantics: .reference).heads(attention).array(Int.self) == data.indices("heads_selected"))
    #expect(try SparseVLMPlus().heads(attention).count == 7)
  }

  /// Every number can be left, whatever there is, and the authors' lists come out as they are.
  @Test func anyNumberIsKeptAndMerged() throws {
    for total in 2...300 {
      for count in 1..<total {
        let parts = Recycling(leaving: count, of: total)
        #expect(parts.count == count && parts.clusters <= count / 2 && parts.clusters <= parts.recycled)
        #expect(parts.kept + parts.recycled <= total)
      }
    }
    for list in SparseVLM.lists.values {
      var left = 576
      for kept in list {
        let parts = Recycling(keeping: kept, of: left)
        #expect(Recycling(leaving: parts.count, of: left).kept == kept)
        left = parts.count
      }
    }
  }

  @Test func theAuthorsNumbersAreTheirSchedules() throws {
    #expect(try CompressionPlan("sparsevlm:64").description == "sparsevlm:82@3,sparsevlm:32@7,sparsevlm:18@16")
    #expect(try CompressionPlan("sparsevlm:50").description == "sparsevlm:50@2")
    #expect(try CompressionPlan("sparsevlm+:64").description == "sparsevlm+:66@3,sparsevlm+:34@7,sparsevlm+:20@16")
    // Means of what the layers see, as published with the records.
    for (keep, mean) in [(192, 206.5), (128, 145.40625), (64, 82.25)] {
      let tokens = try LLaVAConfiguration.preset("llava-1.5-7b").tokens(of: CompressionPlan("sparsevlm:\(keep)")).decoder
      #expect(Double(tokens.reduce(0, +)) / 32 == mean)
    }
  }
}
