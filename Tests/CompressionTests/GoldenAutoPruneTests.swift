import Imaging
import Language
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// AutoPrune against records of its authors' code.
@Suite struct GoldenAutoPruneTests {
  private typealias Golden = GoldenReducers

  @Test(arguments: GoldenReducers.cases("autoprune") { $0.budget != nil && $0.layers == nil })
  func mutualInformation(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("autoprune", golden)
    let attention = try data.input("attn").unsqueezed(0)
    let found = try AutoPrune(semantics: .reference).information(attention, dividesByWords: false)
    #expect(try abs(found - data.output("mi").item()) < 1e-5)
  }

  @Test(arguments: GoldenReducers.cases("autoprune") { $0.information != nil })
  func budgets(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("autoprune", golden)
    let (curve, layers) = (try curve(data), try #require(data.own.params.layers))
    let steepness = curve.steepness(information: try #require(data.own.params.information))
    #expect(steepness == data.own.params.dynamicSteepness)
    let shares = curve.shares(1...layers - 1, steepness: steepness)
    #expect(try distance(Tensor(shares.map { Float($0) }), data.output("keep_percent_raw")) < 1e-6)
    let (first, target) = (try #require(data.own.params.first), try #require(data.own.params.target))
    let factor = LayerCurve.factor(shares, from: first, sum: target * layers - first)
    #expect(factor == data.own.params.factor)
    let planned = LayerCurve.counts(shares.map { $0 * factor }, from: first)
    #expect(try [first] + planned == data.indices("planned"))
  }

  @Test(arguments: GoldenReducers.cases("autoprune") { $0.kept != nil })
  func ranks(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("autoprune", golden)
    let scores = try data.input("attn_text_vis").mean(0).mean(0)
    #expect(try distance(scores, data.output("relation")) < 1e-6)
    let kept = try scores.top(#require(data.own.params.kept)).indices.array(Int.self).sorted()
    #expect(try kept == data.indices("kept"))
  }

  /// A whole model, layer by layer: information, scores, what is kept and recycled, clusters, and all that follows.
  @Test(arguments: GoldenReducers.cases("autoprune") { $0.firstInformation != nil })
  func aWholeModel(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("autoprune", golden)
    var model = try GoldenDecoder(data)
    let reducer = AutoPrune(try curve(data), .reference)
    let tower = try Golden.trace(attention: data.input("image_attns"))
    for stage in try #require(data.own.stages) {
      let tokens = try model.tokens(behind: stage, tower: [-1: tower])
      let words = try tokens.attention(of: tokens.ratingRows(.reference))
      let (expected, count) = (try data.storedIndices(stage.kept), try #require(stage.keptCount))
      if let first = stage.firstScore {
        let information = try reducer.information(words, dividesByWords: true)
        #expect(abs(information - (data.own.params.firstInformation ?? 0)) < 1e-4)
        #expect(try distance(AutoPrune.scores(words, tower: tokens.towerRanking(), information), data.stored(first)) < 1e-5)
        let reduction = try Golden.reduce(reducer, count, [tokens])[0]
        #expect(try reduction.kept?.array(Int.self) == expected)
        try model.goOn(with: reduction, at: stage.positions)
        continue
      }
      if stage.layer == 1 { try decides(reducer, words, tokens, data) }
      let centres = try model.recycle(tokens, words.mean(0).mean(0), by: reducer, at: stage)
      // The densities of one cluster are all 1, but for three bits of noise, and which of equal ones is its centre means nothing.
      let recycled = try data.storedIndices(stage.recycled)
      #expect(centres.count == 1 && centres.allSatisfy(recycled.contains), "layer \(stage.layer ?? -1)")
    }
    #expect(try distance(model.finished(), data.output("last_hidden_state").selected(0, 0)) < 5e-4)
  }

  /// The curve behind the second layer, from the plan's sum.
  private func decides(_ reducer: AutoPrune, _ words: Tensor, _ tokens: VisualTokens, _ data: GoldenReducers) throws {
    let information = try reducer.information(words, dividesByWords: false)
    #expect(abs(information - (data.own.params.secondInformation ?? 0)) < 1e-3)
    let (layers, target) = (try #require(data.own.params.layers), try #require(data.own.params.target))
    let sum = target * layers - tokens.count
    let later = (2..<layers).map { PlannedCount(layer: $0 + 1, count: 0) }
    let choice = TokenChoice(sum, of: tokens, generator: try Generator(seed: 0))
    let budget = try reducer.budget(choice, later: later)
    let shares = try data.output("keep_percent").array(Float.self).map { Double($0) }
    #expect((1..<layers).map { budget[$0 + 1] } == LayerCurve.counts(shares, from: tokens.count))
  }

  private func curve(_ data: GoldenReducers) throws -> LayerCurve {
    let given = data.own.params
    return LayerCurve(
      midpoint: try #require(given.midpoint), steepness: try #require(given.steepness),
      flattening: try #require(given.flattening))
  }

  /// What is called mutual information is one: never negative, none where words attend alike, and the closed form where each word
  /// attends to a token of its own.
  @Test func theCorrectedInformationIsOne() throws {
    let generator = try Generator(seed: 1)
    let random = try AutoPrune.information(AutoPrune.joint(.rand([3, 5, 9], generator: generator)))
    #expect(try random.array(Float.self).allSatisfy { $0 > 0 })
    let alike = try Tensor.rand([1, 1, 9], generator: generator).expanded([1, 5, 9])
    #expect(try abs(AutoPrune.information(AutoPrune.joint(alike)).sum().item()) < 1e-5)
    let own = try Tensor.arange(0, 8).oneHot(8).unsqueezed(0) * 0.1
    #expect(try abs(AutoPrune.information(AutoPrune.joint(own)).sum().item() - 3) < 1e-5)
  }

  /// The authors' schedule, and what its layers see.
  @Test func aNumberIsAWholeSchedule() throws {
    let plan = try CompressionPlan("autoprune:64")
    #expect(plan.stages.count == 31 && plan.description.hasPrefix("autoprune:160@1,autoprune:"))
    #expect(try CompressionPlan(plan.description).description == plan.description)
    let tokens = try LLaVAConfiguration.preset("llava-1.5-7b").tokens(of: plan).decoder
    #expect(tokens[0] == 576 && tokens[1] == 160 && zip(tokens, tokens.dropFirst()).allSatisfy(>=))
    let mean = Double(tokens.reduce(0, +)) / 32
    #expect((80...82).contains(mean), "\(mean)")
    #expect(try CompressionPlan("autoprune:16:layers=8").stages.map(\.site) == (1..<8).map { Site.decoder(layer: $0) })
    #expect(throws: CompressionError.option(name: "layers", value: 2, expected: "3...1000")) {
      try CompressionPlan("autoprune:16:layers=2")
    }
  }

  /// Decided on the way, pictures get different numbers in a layer, and the sum over the layers that was planned.
  @Test func theSumOverTheLayersStays() throws {
    var configuration = try LLaVAConfiguration.preset("tiny")
    configuration.vision.imageSize = 14 * 12
    configuration.text.layers = 8
    // Steep enough that the tiny model's questions differ.
    let reducer = AutoPrune(LayerCurve(midpoint: 4, steepness: 1.5, flattening: 1), .corrected)
    let schedule = AutoPrune.schedule(.keep(24), layers: 8)
    let plan = try CompressionPlan(stages: schedule.map { .init(reducer, at: $0.site, $0.amount) })
    let planned = schedule.map { amount in if case .keep(let count) = amount.amount { count } else { 0 } }
    var found: Set<[Int]> = []
    for seed in UInt64(0)..<3 {
      let model = try LLaVAModel(configuration, from: RandomParameters(seed: seed, deviation: 0.8))
      let pixels = try Tensor.randn([1, 3, 168, 168], generator: Generator(seed: seed))
      var options = GenerationOptions()
      (options.maximumNewTokens, options.compression) = (1, plan)
      let request = try GenerationRequest(
        ids: [1, imagePlaceholderID, 7, 8, 9, 10 + Int(seed)], pictures: PicturePixels.each(pixels))
      let cuts = try model.generate([request], options).results[0].cuts
      #expect(cuts.map(\.layer) == Array(1..<8))
      let counts = cuts.map { $0.keptIndices[0].count }
      #expect(counts[0] == planned[0] && zip(counts, counts.dropFirst()).allSatisfy(>=))
      #expect(abs(counts.reduce(0, +) - planned.reduce(0, +)) <= 8)
      found.insert(counts)
    }
    #expect(found.count > 1, "\(found)")
  }

  /// First stages multiply the number that was asked for; where a picture has fewer tokens, they keep all.
  @Test func schedulesKeepNoMoreThanThereIs() throws {
    let configuration = try LLaVAConfiguration.preset("llava-1.5-7b")
    for keep in [192, 230, 231, 256, 400, 576] {
      let tokens = try configuration.tokens(of: CompressionPlan("autoprune:\(keep)")).decoder
      #expect(zip(tokens, tokens.dropFirst()).allSatisfy(>=) && tokens.allSatisfy { (1...576).contains($0) })
      // The first layer sees the whole picture, which the authors leave out of the average.
      let mean = Double(tokens.dropFirst().reduce(0, +)) / 31
      // So many that the curve does not reach them with the picture's own tokens become fewer.
      #expect(mean < 1.05 * Double(keep) && (keep > 256 || mean > Double(keep)), "\(keep): \(mean)")
    }
    let pyramid = try configuration.tokens(of: CompressionPlan("pyramiddrop:192")).decoder
    #expect(pyramid == (0..<32).map { $0 < 16 ? 576 : $0 < 24 ? 384 : 192 })
    for plan in ["pyramiddrop:577", "dart:577@2,dart:9@4"] {
      #expect(throws: CompressionError.keep(577, available: 576)) { try configuration.tokens(of: CompressionPlan(plan)) }
    }
  }
}
