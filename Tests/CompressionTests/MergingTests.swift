import Distillation
import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Answering
@testable import Compression
@testable import LLaVA

/// A compressor that merges, in the tower, behind the projector and in the decoder: what it trains, answers and evaluates to.
@Suite struct MergingTests {
  private static let sites = [
    Site.tower(layer: 0), .tower(layer: 1), .tower(layer: nil), .features, .decoder(layer: 1), .decoder(layer: 3),
  ]

  private static func plan(_ site: Site, _ keep: Int) throws -> CompressionPlan {
    try CompressionPlan(stages: [.init(PairAverage(), at: site, .keep(keep), name: "pairs")])
  }

  /// What a compressor makes of the 16 tokens of the picture.
  private struct Mix {
    let weights: [[Float]]
    let kept: [Int]

    init(pairs keep: Int) {
      weights = PairAverage.weights(16, keep)
      kept = weights.map { row in row.firstIndex { $0 > 0 } ?? 0 }
    }

    init(_ reduction: Reduction) throws {
      var weights: Tensor?
      if case .merge(_, let found) = reduction { weights = found }
      let (mixes, kept) = (try #require(weights), try #require(reduction.kept))
      self.kept = try kept.array(Int.self)
      self.weights = try (0..<mixes.size(0)).map { try mixes.selected(0, $0).array(Float.self) }
    }
  }

  /// Rows of an image, or of a whole sample, mixed by hand.
  private static func mixed(_ rows: Tensor, _ mix: Mix, in span: Range<Int>) throws -> (rows: Tensor, kept: [Int]) {
    let weights = mix.weights
    let whole = (0..<rows.size(0)).map { row in (0..<rows.size(0)).map { $0 == row ? Float(1) : 0 } }
    let middle = weights.map { weights in
      (0..<rows.size(0)).map { span.contains($0) ? weights[$0 - span.lowerBound] : Float(0) }
    }
    let all = Array(whole[..<span.lowerBound]) + middle + Array(whole[span.upperBound...])
    let kept = mix.kept.map { span.lowerBound + $0 }
    return (
      try Tensor(all.flatMap(\.self), [all.count, rows.size(0)]).matmul(rows),
      Array(0..<span.lowerBound) + kept + Array(span.upperBound..<rows.size(0))
    )
  }

  /// Scores of all rows that are left of `before`, one picture and `after`, by plain operations in a plain order.
  private static func naive(
    _ model: LLaVAModel, _ site: Site, _ mix: Mix, _ pixels: Tensor, _ before: [Int], _ after: [Int]
  ) throws -> Tensor {
    let encoder = try #require(model.encoder as? WholePictureEncoder)
    let (tower, layers) = (encoder.tower, model.configuration.text.layers)
    var x = try tower.embedded(pixels.unsqueezed(0))
    var kept = Array(0..<16)
    for layer in 0...tower.configuration.computedLayers {
      if site == .tower(layer: layer) {
        // The class token stands first and stays.
        let (rows, places) = try mixed(x.selected(0, 0), mix, in: 1..<17)
        x = try rows.unsqueezed(0)
        kept = places.dropFirst().map { $0 - 1 }
      }
      if layer < tower.configuration.computedLayers { x = try tower.run(x, layers: layer..<layer + 1).rows }
    }
    var features = try tower.features(x).selected(0, 0)
    if site == .tower(layer: nil) { (features, kept) = try mixed(features, mix, in: 0..<16) }
    features = try encoder.projector(features)
    if site == .features { (features, kept) = try mixed(features, mix, in: 0..<16) }
    let text = try model.decoder.embedding.embedding(Tensor(before + after)).split([before.count, after.count])
    var hidden = try concatenate([text[0], features, text[1]])
    var positions = Array(0..<before.count) + kept.map { $0 + before.count } + (0..<after.count).map { $0 + before.count + 16 }
    for layer in 0...layers {
      if site == .decoder(layer: layer) {
        let (rows, places) = try mixed(hidden, mix, in: before.count..<before.count + 16)
        hidden = rows
        positions = places.map { positions[$0] }
      }
      if layer == layers { break }
      let batch = PackedBatch(
        hidden: hidden, positions: try Positions(Tensor(positions), next: [before.count + 16 + after.count]),
        lengths: [positions.count])
      hidden = try model.decoder.run(layers: layer..<layer + 1, batch).hidden
    }
    return try model.decoder.logits(hidden)
  }

  @Test(arguments: sites, [8, 11, 15]) func lossAndGradientsAreThoseOfANaiveImplementation(_ site: Site, _ keep: Int) throws {
    try compareLossAndGradients(PairAverage(), site, keep)
  }

  /// The compressors of this package that merge, each where it works and with whatever it chose.
  @Test(arguments: ["pool", "visionzip", "prumerge", "prumerge+", "tome"])
  func gradientsOfCompressorsThatMergeAreThoseOfANaiveImplementation(_ name: String) throws {
    let reducer = try ReducerRegistry.standard.reducer(name)
    for kind in reducer.sites {
      let site: Site = kind == .tower ? .tower(layer: nil) : kind == .features ? .features : .decoder(layer: 2)
      try compareLossAndGradients(reducer, site, 9)
    }
  }

  private func compareLossAndGradients(_ base: any TokenReducer, _ site: Site, _ keep: Int) throws {
    let model = try TestModel.tiny(seed: 6)
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient() }
    let pixels = try Tensor.randn([3, 56, 56], generator: Generator(seed: UInt64(keep)))
    let (before, prompt, answer) = ([1, 9], [20, 21, 22], [33, 34, 35])
    func gradients() throws -> [String: Tensor] {
      var found: [String: Tensor] = [:]
      for parameter in model.parameters.parameters {
        found[parameter.name] = try parameter.tensor.gradient()
        try parameter.tensor.setGradient(nil)
      }
      return found
    }
    let sample = try TrainingSample(
      ids: before + [imagePlaceholderID] + prompt + answer,
      labels: before.map { _ in ignoredLabel } + [ignoredLabel] + prompt.map { _ in ignoredLabel } + answer,
      pictures: [PicturePixels(pixels)])
    for recomputes in [false, true] {
      let reducer = RecordingReducer(base)
      var options = DistillationOptions()
      options.recomputesActivations = recomputes
      let step = try DistillationStep(model, reducer, options)
      let plan = try CompressionPlan(stages: [.init(reducer, at: site, .keep(keep), name: "recorded")])
      let student = Student(plans: [plan], crossEntropyWeight: 1, divergenceWeight: 0)
      let found = try step([sample], students: [student])
      try found.total.backward()
      let own = try gradients()
      let mix = try Mix(#require(reducer.reductions.first))
      #expect(mix.weights.count == keep)
      let logits = try Self.naive(model, site, mix, pixels, before, prompt + answer)
      let first = logits.size(0) - answer.count - 1
      let loss = try logits.narrow(0, from: first, length: answer.count).crossEntropy(Tensor(answer))
      try loss.backward()
      let expected = try gradients()
      #expect(try abs(found.total.item() - loss.item()) < 1e-5)
      #expect(Set(own.keys) == Set(expected.keys))
      for (name, gradient) in own {
        let other = try #require(expected[name])
        let scale = max(try other.abs().max().item(), 1e-4)
        #expect(try (gradient - other).abs().max().item() / scale < 1e-4, "\(name)")
      }
    }
  }

  /// Distillation through a merging compressor by a curriculum's ratios, at each place where it works.
  @Test func curriculaTrainIt() throws {
    let model = try TestModel.tiny(seed: 2)
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient() }
    let pixels = try Tensor.randn([3, 56, 56], generator: Generator(seed: 4))
    let sample = try TrainingSample(
      ids: [1, imagePlaceholderID, 7, 8, 9], labels: [ignoredLabel, ignoredLabel, ignoredLabel, 8, 9],
      pictures: [PicturePixels(pixels)])
    for reducer in [PairAverage() as any TokenReducer, AveragePool(), Downsample()] {
      let step = try DistillationStep(model, reducer)
      let loss = try step([sample], stages: [Stage(layer: 2, studentRatio: 0.75, teacherRatio: 0.25)])
      #expect(try loss.divergence() > 0 && loss.teacherSamples == 1, "\(reducer)")
      try loss.total.backward()
      #expect(try #require(model.parameters["projector.0.weight"]).tensor.gradient() != nil)
    }
  }

  @Test(arguments: sites) func answersAreThoseOfANaiveImplementation(_ site: Site) throws {
    let model = try TestModel.tiny(seed: 8)
    let pixels = try Tensor.randn([3, 56, 56], generator: Generator(seed: 1))
    let ids = [1, imagePlaceholderID, 20, 21]
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (5, false)
    options.compression = try Self.plan(site, 9)
    let result = try model.generate(
      [try GenerationRequest(ids: ids, pictures: PicturePixels.each(pixels.unsqueezed(0)))], options
    ).results[0]
    try inference {
      var after = Array(ids[2...])
      for (step, token) in result.tokens.enumerated() {
        let logits = try Self.naive(model, site, Mix(pairs: 9), pixels, [1], after)
        let last = try logits.selected(0, logits.size(0) - 1)
        #expect(try last.max().item() - Double(last.array(Float.self)[token]) < 1e-3, "token \(step)")
        after.append(token)
      }
    }
    #expect(result.keptVisualTokens == 9 && result.cuts.count == 1)
    #expect(result.cuts[0].keptIndices == [PairAverage.weights(16, 9).map { row in row.firstIndex { $0 > 0 } ?? -1 }])
  }

  /// In evaluation's shared run beside other plans: the same answers as alone.
  @Test func theSharedRunAnswersTheSame() throws {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    let scratch = try Scratch()
    try ByteTokenizer.write(to: scratch.url)
    let pipeline = LLaVAPipeline(
      model: try LLaVAModel(configuration, from: RandomParameters(seed: 5, deviation: 0.15)),
      tokenizer: try TokenizerLoader.load(from: scratch.url), preprocessor: .init(imageSize: 56),
      template: try ConversationTemplate.named("vicuna_v1"))
    var plans = [AnswerPlan(fullOf: configuration)]
    plans += try Self.sites.map { try AnswerPlan(Self.plan($0, 9), for: configuration) }
    plans += try ReducerRegistry.standard.names.map { name in
      // A schedule for 32 layers has no place in 4.
      let amount = ["downsample": "6", "pyramiddrop": "7@2", "autoprune": "6:layers=4"][name] ?? "7"
      return try AnswerPlan(CompressionPlan("\(name):\(amount)"), for: configuration)
    }
    plans.append(try AnswerPlan(CompressionPlan("uniform:12@features,random:9@1,fastv:4@3"), for: configuration))
    plans.append(try AnswerPlan(CompressionPlan("dart:12@1,fastv:4@2"), for: configuration))
    for rule in ["divprune:7:rule=by-variety:threshold=0.1@2", "fastv:7:rule=by-information:threshold=0.5@2"] {
      plans.append(try AnswerPlan(CompressionPlan(rule), for: configuration))
    }
    plans.append(try AnswerPlan(CompressionPlan("random:12@1,fastv:4@3"), for: configuration))
    let picture = PreparedPicture(
      key: "a", pixels: try PicturePixels(.randn([3, 56, 56], generator: Generator(seed: 3))), seed: 11)
    let requests = try ["what is it?", "why"].map { question in
      let prompt = try pipeline.template.prompt(for: [Turn(.user, "<image>\n" + question)])
      return AnswerRequest(
        ids: try encodeWithImages(prompt, tokenizer: pipeline.tokenizer), picture: picture, maximumNewTokens: 6)
    }
    let answers = try SharedAnswerer(pipeline, plans: plans).answer(requests)
    for (request, answers) in zip(requests, answers) {
      for (plan, answer) in zip(plans, answers) {
        var options = GenerationOptions()
        (options.maximumNewTokens, options.compression, options.seed) = (6, plan.compression, picture.seed)
        let alone = try pipeline.model.generate([GenerationRequest(ids: request.ids, pictures: [picture.pixels])], options)
          .results[0]
        #expect(answer.tokens == alone.tokens, "\(plan.id)")
        if plan.layer != nil { #expect(answer.keptIndices == alone.cuts.last?.keptIndices[0], "\(plan.id)") }
      }
    }
  }
}
