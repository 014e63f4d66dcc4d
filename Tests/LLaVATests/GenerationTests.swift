import Foundation
import Imaging
import Language
import TestModels
import Testing
import Torch

@testable import LLaVA

@Suite struct GenerationTests {
  private func options(_ change: (inout GenerationOptions) -> Void = { _ in }) -> GenerationOptions {
    var options = GenerationOptions()
    options.maximumNewTokens = 10
    options.stopsAtEnd = false
    change(&options)
    return options
  }

  private func model(_ seed: UInt64) throws -> LLaVAModel {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    return try LLaVAModel(configuration, from: RandomParameters(seed: seed, deviation: 0.15))
  }

  private func requests(_ seed: UInt64) throws -> [GenerationRequest] {
    let generator = try Generator(seed: seed)
    let pixels = try Tensor.randn([3, 3, 56, 56], generator: generator)
    return [
      try GenerationRequest(
        ids: [1, imagePlaceholderID, 20, 30, 40], pictures: PicturePixels.each(pixels.narrow(0, from: 0, length: 1))),
      GenerationRequest(ids: [1, 77]),
      try GenerationRequest(
        ids: [1, 9, imagePlaceholderID, imagePlaceholderID, 8, 7, 6, 5],
        pictures: PicturePixels.each(pixels.narrow(0, from: 1, length: 2))),
    ]
  }

  /// Greedy decoding by running the whole text anew for every token.
  private func slow(_ model: LLaVAModel, _ request: GenerationRequest, _ count: Int) throws -> [Int] {
    try inference {
      let segments = try model.encode([PictureRequest(ids: [], pictures: request.pictures)])
      var ids = request.ids
      for _ in 0..<count {
        let logits = try model.logits(model.splice([ids], segments))
        ids.append(Int(try logits.selected(0, logits.size(0) - 1).argmax().item()))
      }
      return Array(ids.suffix(count))
    }
  }

  @Test(arguments: UInt64(0)..<8) func cachedBatchesEqualTheSlowWay(_ seed: UInt64) throws {
    let model = try model(seed)
    let requests = try requests(seed)
    let results = try model.generate(requests, options()).results
    for (request, result) in zip(requests, results) {
      #expect(result.tokens == (try slow(model, request, 10)))
      #expect(result.finish == .length)
    }
    #expect(results.map(\.visualTokens) == [16, 0, 32])
    #expect(results.map(\.promptTokens) == [20, 2, 38])
  }

  @Test(arguments: UInt64(0)..<8) func drawsFollowFromTheSeedAlone(_ seed: UInt64) throws {
    let model = try model(seed)
    let requests = try requests(seed)
    let sampling = options {
      $0.temperature = 1
      $0.seed = seed
      $0.topK = 50
      $0.topP = 0.9
      $0.repetitionPenalty = 1.2
    }
    let together = try model.generate(requests, sampling).results
    #expect(try model.generate(requests, sampling).results == together)
    #expect(try model.generate([requests[0]], sampling).results[0] == together[0], "beside others or alone")
    let other = options {
      $0 = sampling
      $0.seed = seed + 100
    }
    #expect(try model.generate(requests, other).results != together)
  }

  @Test func answersEndAtTheEndTokenOrWhenNobodyWantsMore() throws {
    var configuration = try model(3).configuration
    let request = try requests(3)[0]
    let tokens = try model(3).generate([request], options()).results[0].tokens
    let ending = try #require(tokens.firstIndex { token in tokens.firstIndex(of: token) != 0 })
    configuration.eosTokenIDs = [tokens[ending]]
    let model = try LLaVAModel(configuration, from: RandomParameters(seed: 3, deviation: 0.15))
    let ended = try model.generate([request], options { $0.stopsAtEnd = true }).results[0]
    #expect(ended.finish == .stop && ended.tokens == Array(tokens[..<ending]))
    var seen: [Int] = []
    let stopped = try model.generate([request], options()) { _, token in
      seen.append(token)
      return seen.count == 3 ? .cancel : .proceed
    }.results[0]
    #expect(stopped.finish == .cancelled && stopped.tokens == seen && seen == Array(tokens[..<3]))
    struct Stop: Error {}
    #expect(throws: Stop.self) { try model.generate([request], options()) { _, _ in throw Stop() } }
  }

  @Test func decodingTakesNoMemoryForTheCache() throws {
    let model = try model(2)
    let request = try requests(2)[0]
    var caches: [KeyValueCache]? = [try KeyValueCache(model.configuration.text, capacity: 30, .float32, on: .cpu)]
    let before = caches?[0].byteCount
    _ = try model.generate([request], options(), caches: &caches)
    var cache = try #require(caches?.first)
    // 20 of the prompt and 9 of 10 new tokens: the last one has not passed through the decoder.
    #expect(cache.nextPosition == 29 && cache.byteCount == before)
    #expect(cache.usedByteCount == 2 * 4 * 2 * 16 * 4 * 29, "keys and values, layers, heads, width, bytes, tokens")
    let isShorter = cache.truncate(to: 20)
    #expect(isShorter && cache.count(layer: 3) == 20)
    let isLonger = cache.truncate(to: 21)
    #expect(!isLonger)
  }

  @Test func theContextIsNeverExceeded() throws {
    var configuration = try model(1).configuration
    configuration.text.maximumPositions = 24
    let model = try LLaVAModel(configuration, from: RandomParameters(seed: 1))
    let request = try requests(1)[0]
    let result = try model.generate([request], options()).results[0]
    #expect(result.promptTokens + result.tokens.count == 24 && result.finish == .length)
    let long = GenerationRequest(ids: Array(repeating: 5, count: 24))
    let error = #expect(throws: PromptError.self) { try model.generate([long], options()) }
    #expect(error?.description.contains("24") == true)
  }

  @Test func wrongPromptsAreRefused() throws {
    let model = try model(0)
    let image = try Tensor.zeros([1, 3, 56, 56])
    for request in [
      GenerationRequest(ids: []), GenerationRequest(ids: [1, imagePlaceholderID]),
      try GenerationRequest(ids: [1], pictures: PicturePixels.each(image)),
      GenerationRequest(ids: [1, 512]), GenerationRequest(ids: [-1]),
    ] {
      #expect(throws: PromptError.self) { try model.generate([request], options()) }
    }
    let wrongSize = try GenerationRequest(ids: [imagePlaceholderID], pictures: PicturePixels.each(Tensor.zeros([1, 3, 28, 28])))
    #expect(throws: TorchError.self) { try model.generate([wrongSize], options()) }
    #expect(throws: GenerationError.self) { try model.generate([GenerationRequest(ids: [1])], options { $0.topP = 0 }) }
    var none: [KeyValueCache]? = []
    #expect(throws: GenerationError.self) { try model.generate([GenerationRequest(ids: [1])], options(), caches: &none) }
    for labels in [[], [[-100, 5, 6]], [[-100], [5]]] {
      #expect(throws: PromptError.self) { try model.splice([[1, 2]], features: [[]], labels: labels) }
    }
  }

  @Test func brokenScoresAreReported() throws {
    let model = try model(0)
    let head = try #require(model.parameters.parameters.first { $0.name == "decoder.lm_head.weight" })
    try head.tensor.multiplyInPlace(by: .nan)
    for temperature in [0, 1.0] {
      let error = #expect(throws: GenerationError.self) {
        try model.generate([GenerationRequest(ids: [1])], options { $0.temperature = temperature })
      }
      #expect(error == .notFinite(step: 0))
    }
  }
}

@Suite struct SamplerTests {
  private func frequencies(_ logits: [Float], _ count: Int, _ change: (inout GenerationOptions) -> Void) throws -> [Double] {
    var options = GenerationOptions()
    options.temperature = 1
    change(&options)
    var sampler = try Sampler(options, prompt: [], on: .cpu)
    var counts = [Double](repeating: 0, count: logits.count)
    let scores = try Tensor(logits)
    for _ in 0..<count { counts[try #require(try sampler.next(scores))] += 1 }
    return counts.map { $0 / Double(count) }
  }

  private let probabilities = [0.5, 0.25, 0.15, 0.07, 0.03]
  private var logits: [Float] { probabilities.map { Float(log($0)) } }

  private func near(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 0.04 } }

  @Test func tokensComeAsOftenAsTheirProbability() throws {
    #expect(near(try frequencies(logits, 2500) { _ in }, probabilities))
    let squared = probabilities.map { $0 * $0 }
    let total = squared.reduce(0, +)
    #expect(near(try frequencies(logits, 2500) { $0.temperature = 0.5 }, squared.map { $0 / total }))
  }

  @Test func topKAndTopPCutTheTail() throws {
    #expect(near(try frequencies(logits, 2500) { $0.topK = 2 }, [2 / 3.0, 1 / 3.0, 0, 0, 0]))
    // 0.5 + 0.25 is short of 0.8, so the third token belongs to the set as well.
    #expect(near(try frequencies(logits, 2500) { $0.topP = 0.8 }, [0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0, 0]))
    #expect(try frequencies(logits, 50) { $0.topP = 0.01 }[0] == 1)
    #expect(try frequencies(logits, 50) { $0.topK = 1 }[0] == 1)
  }

  @Test func repetitionIsPunishedOnce() throws {
    var options = GenerationOptions()
    options.repetitionPenalty = 2
    var sampler = try Sampler(options, prompt: [0, imagePlaceholderID], on: .cpu)
    // 3 / 2 < 2, so token 1 wins; then 2 / 2 < 1.5 = 3 / 2.
    #expect(try sampler.next(Tensor([3, 2, -1] as [Float])) == 1)
    #expect(try sampler.next(Tensor([3, 2, -1] as [Float])) == 0)
    // Negative scores are multiplied: -1 · 2 < -1.5.
    var negative = try Sampler(options, prompt: [0], on: .cpu)
    #expect(try negative.next(Tensor([-1, -1.5, -9] as [Float])) == 1)
  }

  @Test func optionsAreChecked() {
    let changes: [(inout GenerationOptions) -> Void] = [
      { $0.maximumNewTokens = 0 }, { $0.temperature = -0.1 }, { $0.temperature = .nan }, { $0.topP = 0 }, { $0.topP = 1.1 },
      { $0.topK = -1 }, { $0.repetitionPenalty = 0 },
    ]
    for change in changes {
      var options = GenerationOptions()
      change(&options)
      #expect(throws: GenerationError.self) { try options.validate() }
    }
  }
}
