import GoldenModels
import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Answers after compression: the cache, later tokens and later turns.
@Suite struct CompressedGenerationTests {
  /// A prompt with two images and a plan of one or two cuts.
  private func setUp(_ seed: Int) throws -> (RandomCase, [GenerationRequest], GenerationOptions) {
    var c = try RandomCase(seed, maximumSamples: 3, maximumImages: 2)
    let vision = c.model.configuration.vision
    let generator = try Generator(seed: UInt64(seed))
    let requests = try c.prompts.map { ids in
      let images = ids.filter { $0 == imagePlaceholderID }.count
      let shape = [images, 3, vision.imageSize, vision.imageSize]
      return try GenerationRequest(
        ids: ids, pictures: PicturePixels.each(images == 0 ? nil : try Tensor.randn(shape, generator: generator)))
    }
    var options = GenerationOptions()
    options.maximumNewTokens = Int.random(in: 2...6, using: &c.random)
    options.stopsAtEnd = false
    options.seed = UInt64(seed)
    options.compression = try CompressionPlan(c.reducer, cuts: c.cuts)
    return (c, requests, options)
  }

  @Test(arguments: 0..<200) func decodingEqualsOneForwardWithTheSameRowsDropped(_ seed: Int) throws {
    let (c, requests, options) = try setUp(seed)
    let results = try c.model.generate(requests, options).results
    try inference {
      for (request, result) in zip(requests, results) {
        let segments = try c.model.encode([PictureRequest(ids: [], pictures: request.pictures)])
        let whole = try c.model.splice([request.ids + result.tokens], segments)
        let images = whole.visual.map { $0.map(\.count) }
        // What each cut kept of what the one before it had left.
        var before = images[0].map { Array(0..<$0) }
        var records: [[Int]] = []
        var cuts: [CompressionPlan.ResolvedStage] = []
        let replay = Replay([])
        for cut in result.cuts {
          for (old, new) in zip(before, cut.keptIndices) where new.count > 0 && new.count < old.count {
            records.append(new.map { old.firstIndex(of: $0) ?? -1 })
          }
          before = cut.keptIndices
          cuts.append(.init(.init(replay, at: .decoder(layer: cut.layer), .keep(0)), counts: [before.map(\.count)]))
        }
        replay.records = records
        let (after, _) = try c.model.decode(whole, cuts, generators: [Generator(seed: 0)])
        let logits = try c.model.decoder.logits(after.hidden)
        let first = after.lengths[0] - result.tokens.count - 1
        for (step, token) in result.tokens.enumerated() {
          let row = try logits.selected(0, first + step)
          #expect(try row.max().item() - row.array(Float.self).map(Double.init)[token] < 1e-3, "token \(step) of \(c.name)")
        }
        #expect(result.keptVisualTokens == before.reduce(0) { $0 + $1.count })
        #expect(result.visualTokens == images[0].reduce(0, +))
      }
    }
  }

  @Test(arguments: 0..<40) func cachesHoldWhatIsLeftAndNoMore(_ seed: Int) throws {
    let (c, requests, options) = try setUp(seed)
    let text = c.model.configuration.text
    var caches: [KeyValueCache]? = try requests.map { _ in try KeyValueCache(text, .float32, on: .cpu) }
    let results = try c.model.generate(requests, options, caches: &caches).results
    for (cache, result) in zip(try #require(caches), results) {
      let decoded = options.maximumNewTokens - 1
      let rows = (0..<c.layers).map { layer -> Int in
        let kept =
          result.cuts.last { $0.layer <= layer }.map { $0.keptIndices.reduce(0) { $0 + $1.count } } ?? result.visualTokens
        return result.promptTokens - result.visualTokens + kept
      }
      #expect((0..<c.layers).map { cache.count(layer: $0) - decoded } == rows)
      #expect(cache.nextPosition == result.promptTokens + decoded)
      let rowBytes = 2 * text.keyValueHeads * text.headDimension * 4
      #expect(result.kvCacheBytes == rows.reduce(0, +) * rowBytes)
      // Memory was taken for what is left, and for the longest answer.
      #expect(cache.byteCount == rows.reduce(0) { $0 + ($1 + decoded + 1) * rowBytes })
    }
  }

  @Test(arguments: ["dart", "fastv", "random", "uniform", "pool"], UInt64(0)..<4)
  func laterTurnsWorkOnTheShortenedCache(_ name: String, _ seed: UInt64) throws {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    let scratch = try Scratch()
    try ByteTokenizer.write(to: scratch.url)
    let pipeline = LLaVAPipeline(
      model: try LLaVAModel(configuration, from: RandomParameters(seed: seed, deviation: 0.15)),
      tokenizer: try TokenizerLoader.load(from: scratch.url), preprocessor: ImagePreprocessor(imageSize: 56),
      template: try ConversationTemplate.named("vicuna_v1"))
    let images = Array(repeating: try TestModel.drawing(), count: 1 + Int(seed % 2))
    var options = GenerationOptions()
    options.maximumNewTokens = 10
    options.seed = seed
    let compressor = try ReducerRegistry.standard.reducer(name)
    options.compression = try CompressionPlan(compressor, cuts: [.init(layer: 1 + Int(seed % 4), .keep(5))])
    var session = try ChatSession(pipeline, images: images, options)
    var first: Int?
    /// The same conversation anew, tokens chosen by the first question.
    func anew(_ turns: [Turn], _ text: String) throws -> GenerationResult {
      let user = Turn(.user, turns.isEmpty ? LLaVAPipeline.withImageTags(text, images: images.count) : text)
      var request = try pipeline.request(turns + [user, Turn(.assistant, "")], images: images)
      request.promptLength = first
      first = first ?? request.ids.count
      let result = try pipeline.answer(request, options).result
      #expect(result.keptVisualTokens == 5 * images.count)
      return result
    }
    for text in ["What is it?", "And the roof?", "Why is that so?"] {
      let expected = try anew(session.turns, text)
      let isFirst = session.turns.isEmpty
      let answer = try session.reply(to: text)
      #expect(answer.result.tokens == expected.tokens)
      if !isFirst { #expect(answer.result.promptTokens < expected.promptTokens, "the beginning came from the cache") }
    }
    // A copy goes its own way from the same cache, and neither disturbs the other.
    var copy = session
    let expected = try anew(session.turns, "So?")
    let answer = try copy.reply(to: "So?")
    #expect(answer.result.tokens == expected.tokens && answer.result.promptTokens < expected.promptTokens)
    #expect(try session.reply(to: "So?").result.tokens == expected.tokens)
  }

  @Test func poolingShortensTheImage() throws {
    let model = try TestModel.tiny(seed: 3)
    let pixels = try Tensor.randn([2, 3, 56, 56], generator: Generator(seed: 1))
    let request = try GenerationRequest(
      ids: [1, imagePlaceholderID, 70, imagePlaceholderID, 80], pictures: PicturePixels.each(pixels))
    var options = GenerationOptions()
    options.maximumNewTokens = 4
    options.compression = try CompressionPlan(AveragePool(), layer: 2, .ratio(0.75))
    let result = try model.generate([request], options).results[0]
    #expect(result.visualTokens == 32 && result.keptVisualTokens == 8 && result.promptTokens == 11 && result.cuts.isEmpty)
    try inference {
      // 2 × 2 means of the tower's features, by libtorch's own pooling.
      let encoder = try #require(model.encoder as? WholePictureEncoder)
      let features = try encoder.tower(pixels)
      let grid = try features.transposed(1, 2).reshaped([2, -1, 4, 4])
      let means = try Operator("aten::avg_pool2d")(.tensor(grid), .ints([2, 2])).reshaped([2, -1, 4]).transposed(1, 2)
      let segments = try model.encode([
        try PictureRequest(ids: [], pictures: PicturePixels.each(pixels), plan: options.compression)
      ])[0]
      #expect(try distance(stack(segments.map(\.rows)), encoder.projector(means)) < 1e-5)
      let batch = try model.splice([request.ids], features: [[means[0], means[1]].map { try encoder.projector($0) }])
      let best = try model.logits(batch).selected(0, 10).argmax().item()
      #expect(result.tokens.first == Int(best))
    }
  }
}

extension Tensor {
  fileprivate subscript(index: Int) -> Tensor { get throws { try selected(0, index) } }
}
