import Imaging
import Language
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Compressors between layers against records of their authors' code.
@Suite struct GoldenLayerTests {
  private typealias Golden = GoldenReducers

  /// One division in two; whole towers of the authors' merge inside of blocks, where no stage stands.
  @Test(arguments: GoldenReducers.cases("tome") { $0.merged != nil && $0.distillToken == false })
  func toMe(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("tome", golden)
    let first = data.own.params.classToken == true ? 1 : 0
    func tokens(_ t: Tensor, _ image: Int) throws -> Tensor {
      try t.selected(0, image).narrow(0, from: first, length: t.size(1) - first)
    }
    let metric = try data.input("metric")
    for image in 0..<metric.size(0) {
      let found = try ToMe(semantics: .reference).round(
        tokens(metric, image), tokens(data.input("size_in"), image).squeezed(1), merging: #require(data.own.params.merged),
        first == 1 ? .beside : .none)
      #expect(try distance(found.weights.matmul(tokens(data.input("x"), image)), tokens(data.output("x_out"), image)) < 1e-5)
      #expect(try distance(found.sizes, tokens(data.output("size_out"), image).squeezed(1)) < 1e-4)
      // Which tokens went into which.
      let source = try tokens(data.output("source"), image)
      let members = try source.narrow(1, from: first, length: source.size(1) - first)
      let used = try Tensor.zeros([1, 1]).isLess(than: found.weights).to(.float32)
      #expect(try distance(used, members) == 0)
    }
  }

  /// A merged token behind a stage is attended to as all that it is made of: as if each were still there, all alike.
  @Test func mergedTokensWeighAsMuchAsTheirMembers() throws {
    for seed in UInt64(0)..<3 {
      var configuration = try LLaVAConfiguration.preset("tiny")
      configuration.vision.layers = 4
      let model = try LLaVAModel(configuration, from: RandomParameters(seed: seed, deviation: 0.3))
      let pixels = try Tensor.randn([1, 3, 56, 56], generator: Generator(seed: seed))
      let reducer = RecordingReducer(ToMe())
      let plan = try CompressionPlan(stages: [.init(reducer, at: .tower(layer: 1), .keep(6))])
      try inference {
        let found = try model.encode([
          try PictureRequest(ids: [1, imagePlaceholderID], pictures: PicturePixels.each(pixels), plan: plan)
        ])[0][0]
        let encoder = try #require(model.encoder as? WholePictureEncoder)
        let reduction = try #require(reducer.reductions.first)
        let before = try encoder.tower.run(encoder.tower.embedded(pixels), layers: 0..<1).rows.selected(0, 0)
        let mixed = try reduction.applied(to: before.narrow(0, from: 1, length: 16))
        var weights: Tensor?
        if case .merge(_, let given) = reduction { weights = given }
        let sizes = try (0..<6).map { try #require(weights).selected(0, $0).array(Float.self).filter { $0 > 0 }.count }
        #expect(sizes.reduce(0, +) == 16 && sizes.max() ?? 0 > 1)
        let copies = sizes.enumerated().flatMap { Array(repeating: $0, count: $1) }
        let rows = try concatenate([before.narrow(0, from: 0, length: 1), mixed.rows(Tensor(copies))]).unsqueezed(0)
        let all = try encoder.tower.run(rows, layers: 1..<encoder.computedLayers).rows
        let firsts = (0..<6).map { token in copies.firstIndex(of: token) ?? 0 }
        let expected = try encoder.projector(encoder.tower.features(all).selected(0, 0).rows(Tensor(firsts)))
        #expect(try distance(found.rows, expected) < 1e-4)
      }
    }
  }

  /// The choice from a layer's input on: normalisation, projections, rotary embedding, which rows ask, what they pay.
  ///
  /// Whole models of the authors' number positions anew in each cut, which no plan does.
  @Test(arguments: GoldenReducers.cases("pyramiddrop") { $0.layer != nil })
  func pyramidDrop(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("pyramiddrop", golden)
    let layer = try #require(data.own.params.layer)
    let (features, positions) = (try data.input("features"), try data.input("position_ids").to(.int64))
    let heads = try #require(data.own.params.heads)
    var configuration = try LLaVAConfiguration.preset("tiny")
    configuration.text.hiddenSize = features.size(2)
    (configuration.text.heads, configuration.text.keyValueHeads) = (heads, heads)
    configuration.text.headDimension = features.size(2) / heads
    configuration.text.layers = layer + 1
    let model = try LLaVAModel(configuration, from: RandomParameters(seed: 0, deviation: 0.1))
    for (name, weight) in [
      ("input_layernorm", "input_layernorm"), ("self_attn.q_proj", "q_proj"), ("self_attn.k_proj", "k_proj"),
    ] {
      let parameter = try #require(model.parameters["decoder.layers.\(layer).\(name).weight"])
      try parameter.tensor.copyInPlace(from: data.input(weight))
    }
    let lengths = try #require(data.own.params.lengths)
    func packed(_ t: Tensor) throws -> Tensor {
      try concatenate(
        lengths.enumerated().map { sample, length in
          try t.selected(0, min(sample, t.size(0) - 1)).narrow(0, from: 0, length: length)
        })
    }
    let batch = PackedBatch(
      hidden: try packed(features), positions: try Positions(packed(positions), next: lengths), lengths: lengths)
    let next = model.decoder.next(layer, batch) { lengths.map { _ in nil } }
    let rows = SiteRows(hidden: batch.hidden, lengths: lengths, next: next)
    let starts = try data.input("image_pos").to(.int64).array(Int.self)
    var asked = 0
    for (sample, start) in starts.enumerated() where start >= 0 {
      let (now, count) = (try #require(data.own.params.visualNow)[sample], try #require(data.own.params.visualAfter)[sample])
      let labels =
        data.own.params.training == true
        ? try data.input("labels").selected(0, sample).to(.int64).array(Int.self).prefix(lengths[sample]).map { $0 } : nil
      // Samples without an answer keep all of their tokens there, and as many as the plan says here.
      if let labels, labels.allSatisfy({ $0 < 0 }) { continue }
      asked += 1
      let tokens = VisualTokens(
        site: .decoder(layer: layer), rows: rows, sample: sample, span: start..<start + now,
        layout: TokenLayout(TokenGrid(rows: 1, columns: now)), labels: labels.map { labels in { labels } })
      let scores = try data.output("scores").selected(0, sample).narrow(0, from: 0, length: now)
      #expect(try distance(PyramidDrop.scores(tokens, .reference), scores) < 1e-5)
      let kept = try #require(Golden.reduce(PyramidDrop(semantics: .reference), count, [tokens])[0].kept).array(Int.self)
      #expect(try kept.map { $0 + start } == data.indices("kept", image: sample).filter { $0 >= 0 })
    }
    #expect(asked > 0)
  }

  /// Asked ahead of time, a layer says what it then does: with a cache behind it and without.
  @Test func theNextLayerIsAskedAsItWillAnswer() throws {
    /// Looks, and keeps the first tokens.
    final class Look: TokenReducer, @unchecked Sendable {
      let ahead: Bool
      var seen: [Float] = []
      init(ahead: Bool) { self.ahead = ahead }
      var needs: ReducerNeeds { ReducerNeeds(queries: !ahead, keys: !ahead) }
      func reduce(_ choice: TokenChoice) throws -> Reduction {
        let row = choice.tokens.promptEnd - 1
        seen = try (ahead ? choice.tokens.nextAttention(of: row) : choice.tokens.attention()).array(Float.self)
        return .keep(try Tensor.arange(0, choice.count))
      }
    }
    let model = try LLaVAModel(LLaVAConfiguration.preset("tiny"), from: RandomParameters(seed: 3, deviation: 0.15))
    let features = try Tensor.randn([16, 64], generator: Generator(seed: 3))
    try inference {
      for isChunked in [false, true] {
        let looks = try [(true, 2), (false, 3)].map { ahead, layer in
          let look = Look(ahead: ahead)
          let plan = try CompressionPlan(look, layer: layer, .keep(5))
          let stages = try plan.resolve(imageTokens: [[16]], layers: 4)
          var caches: [KeyValueCache]? = [try KeyValueCache(model.configuration.text, .float32, on: .cpu)]
          let text = [4, 5, 6]
          if isChunked {
            let first = try BranchingDecoder.run(
              model.decoder, model.splice([text], features: [[]]), caches: &caches, [Branch(sample: 0)])
            caches = first.ends.compactMap(\.cache)
          }
          let segment = VisualSegment(rows: features, layout: model.pictureLayout)
          let batch = try model.splice(
            [(isChunked ? [] : text) + [imagePlaceholderID, 7, 8]], [[segment]], past: [isChunked ? text.count : 0])
          _ = try BranchingDecoder.run(model.decoder, batch, caches: &caches, [Branch(sample: 0, stages)])
          return look.seen
        }
        #expect(looks[0].count == 16)
        for (ahead, then) in zip(looks[0], looks[1]) { #expect(abs(ahead - then) < 1e-6) }
      }
    }
  }

  @Test func aNameWithoutASiteIsTheAuthorsSchedule() throws {
    let plan = try CompressionPlan("pyramiddrop:72")
    #expect(plan.description == "pyramiddrop:288@8,pyramiddrop:144@16,pyramiddrop:72@24")
    #expect(try CompressionPlan(plan.description).description == plan.description)
    let tokens = try LLaVAConfiguration.preset("llava-1.5-7b").tokens(of: plan).decoder
    #expect(tokens == [576, 288, 144, 72].flatMap { Array(repeating: $0, count: 8) })
    #expect(try CompressionPlan("pyramiddrop:12.5%").description == "pyramiddrop:50%@8,pyramiddrop:25%@16,pyramiddrop:12.5%@24")
    #expect(try CompressionPlan("pyramiddrop:9@2").description == "pyramiddrop:9@2")
  }
}
