import Compression
import GoldenModels
import Language
import TestSupport
import Torch

@testable import LLaVA

/// A random small model, a packed batch of unequal samples with no image, one or several, and a random plan.
struct RandomCase {
  /// Those that work in the decoder and merge nothing.
  static let compressors = ["dart", "fastv", "random", "uniform", "pyramiddrop"]

  let model: LLaVAModel
  let prompts: [[Int]]
  let features: [[Tensor]]
  let name: String
  let reducer: any TokenReducer
  let cuts: [CompressionPlan.Cut]
  var random: SplitMix

  var layers: Int { model.configuration.text.layers }
  var imageTokens: Int { model.configuration.vision.tokens }

  init(_ seed: Int, maximumSamples: Int = 4, maximumImages: Int = 3) throws {
    var random = SplitMix(seed: UInt64(seed))
    var configuration = try LLaVAConfiguration.preset("tiny")
    configuration.vision.imageSize = 14 * Int.random(in: 2...5, using: &random)
    configuration.vision.featureSelection = Int.random(in: 0..<5, using: &random) == 0 ? .full : .patch
    let groups = Int.random(in: 1...2, using: &random)
    configuration.text.keyValueHeads = groups
    configuration.text.heads = groups * Int.random(in: 1...2, using: &random)
    configuration.text.headDimension = 16
    configuration.text.layers = Int.random(in: 1...4, using: &random)
    model = try LLaVAModel(configuration, from: RandomParameters(seed: UInt64(seed), deviation: 0.15))
    prompts = (0..<Int.random(in: 1...maximumSamples, using: &random)).map { _ in
      var ids = (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 3..<512, using: &random) }
      for _ in 0..<Int.random(in: 0...maximumImages, using: &random) {
        ids.insert(imagePlaceholderID, at: Int.random(in: 0...ids.count, using: &random))
      }
      return ids
    }
    let generator = try Generator(seed: UInt64(seed))
    let shape = [configuration.vision.tokens, configuration.text.hiddenSize]
    features = try prompts.map { ids in
      try ids.filter { $0 == imagePlaceholderID }.map { _ in try Tensor.randn(shape, generator: generator) }
    }
    name = Self.compressors[seed % Self.compressors.count]
    let pivots = [
      "image-pivots": "\(Int.random(in: 1...4, using: &random))", "text-pivots": "\(Int.random(in: 0...4, using: &random))",
    ]
    reducer = try ReducerRegistry.standard.reducer(name, name == "dart" ? pivots : [:])
    cuts = Self.randomCuts(configuration.text.layers, configuration.vision.tokens, &random)
    self.random = random
  }

  private static func randomCuts(_ layers: Int, _ tokens: Int, _ random: inout SplitMix) -> [CompressionPlan.Cut] {
    let first = Int.random(in: 1...layers, using: &random)
    let keep = Int.random(in: 0...tokens, using: &random)
    if Bool.random(using: &random) {
      return [.init(layer: first, .ratio(Double.random(in: 0...1, using: &random)))]
    }
    guard first < layers, Bool.random(using: &random) else { return [.init(layer: first, .keep(keep))] }
    return [
      .init(layer: first, .keep(keep)),
      .init(layer: Int.random(in: first + 1...layers, using: &random), .keep(Int.random(in: 0...keep, using: &random))),
    ]
  }

  func batch(labels: [[Int]]? = nil) throws -> PackedBatch { try model.splice(prompts, features: features, labels: labels) }

  func resolved() throws -> [CompressionPlan.ResolvedStage] {
    let images = features.map { $0.map { $0.size(0) } }
    return try CompressionPlan(reducer, cuts: cuts).resolve(imageTokens: images, layers: layers)
  }

  /// One generator a sample, the same ones for the same samples.
  func generators(_ samples: [Int]? = nil) throws -> [Generator] {
    try (samples ?? Array(prompts.indices)).map { try Generator(seed: 1000 + UInt64($0)) }
  }

  func run(_ batch: PackedBatch, _ cuts: [CompressionPlan.ResolvedStage], samples: [Int]? = nil) throws -> (
    batch: PackedBatch, kept: [KeptTokens]
  ) {
    try model.decode(batch, cuts, generators: generators(samples))
  }

  /// Sample `index` alone.
  func alone(_ index: Int) throws -> PackedBatch { try model.splice([prompts[index]], features: [features[index]]) }
}

func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
  try a.requireShape(b.shape.map(Optional.some), "result")
  return a.count == 0 ? 0 : try (a - b).abs().max().item()
}

/// Keeps what each image of each cut is recorded to have kept, in the order in which it is asked.
final class Replay: TokenReducer, @unchecked Sendable {
  var records: [[Int]]

  /// - Parameter records: indices into the image's tokens as they are at the cut.
  init(_ records: [[Int]]) { self.records = records }

  func reduce(_ choice: TokenChoice) throws -> Reduction { .keep(try Tensor(records.removeFirst())) }
}
