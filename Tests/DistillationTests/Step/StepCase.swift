import Compression
import Imaging
import Language
import TestSupport
import Torch

@testable import Distillation
@testable import LLaVA

/// A random small model, a batch of unequal samples with no image, one or several, and a random stage for each.
struct StepCase {
  static let compressors = ["dart", "fastv", "random", "uniform"]

  let model: LLaVAModel
  let compressor: any TokenReducer
  let samples: [TrainingSample]
  let stages: [Stage]
  var options: DistillationOptions

  init(
    _ seed: Int, preset: String = "tiny", layer: Int? = nil, samples count: Int? = nil, dtype: DType = .float32,
    positions: DivergencePositions? = nil
  ) throws {
    var random = SplitMix(seed: UInt64(seed))
    var configuration = try LLaVAConfiguration.preset(preset)
    let size = 14 * Int.random(in: 3...5, using: &random)
    if configuration.tiling == nil { configuration.vision.imageSize = size }
    configuration.text.tiesEmbeddings = Int.random(in: 0..<4, using: &random) == 0 && configuration.audio == nil
    let layers = configuration.text.layers
    model = try LLaVAModel(configuration, from: RandomParameters(seed: UInt64(seed), dtype: dtype, deviation: 0.1))
    let trainsTower = Bool.random(using: &random)
    for parameter in model.parameters.parameters {
      try parameter.tensor.requiringGradient(parameter.group != .tower || trainsTower)
    }
    compressor = try ReducerRegistry.standard.reducer(Self.compressors[seed % 4])
    let generator = try Generator(seed: UInt64(seed))
    samples = try (0..<(count ?? Int.random(in: 1...4, using: &random))).map { index in
      var ids: [Int] = []
      var labels: [Int] = []
      // The first sample has an image, so that there is something to drop, and may begin with it, as in projector pretraining.
      let images = index == 0 ? Int.random(in: 1...2, using: &random) : Int.random(in: 0...2, using: &random)
      for turn in 0..<max(images, Int.random(in: 1...2, using: &random)) {
        let question = (0..<Int.random(in: turn == 0 ? 1...6 : 0...3, using: &random)).map { _ in
          Int.random(in: 3..<512, using: &random)
        }
        let answer = (0..<Int.random(in: 1...5, using: &random)).map { _ in Int.random(in: 3..<512, using: &random) }
        ids += question
        labels += question.map { _ in ignoredLabel }
        if turn < images {
          ids.append(imagePlaceholderID)
          labels.append(ignoredLabel)
        }
        ids += answer
        labels += answer
      }
      let pictures = try (0..<images).map { _ in
        let sides = (0..<2).map { _ in configuration.picturesVary ? Int.random(in: 20...200, using: &random) : size }
        let shape = configuration.shape(height: sides[0], width: sides[1], isAlone: images == 1)
        return try PicturePixels(
          views: .randn(configuration.pixelShape(of: shape), generator: generator), height: sides[0], width: sides[1])
      }
      return TrainingSample(ids: ids, labels: labels, pictures: pictures, seed: random.next())
    }
    let layer = layer ?? Int.random(in: 1...layers, using: &random)
    stages = samples.map { _ in
      let student = Double.random(in: 0.2...0.95, using: &random)
      return Stage(
        layer: layer, studentRatio: student, teacherRatio: max(0, student - Double.random(in: 0...0.6, using: &random)))
    }
    var options = DistillationOptions(corrected: Int.random(in: 0..<3, using: &random) > 0)
    options.divergenceWeight = Double.random(in: 0.1...0.9, using: &random)
    options.temperature = [1, 2, 0.7][Int.random(in: 0..<3, using: &random)]
    options.scalesByTemperature = Bool.random(using: &random)
    options.draws = Bool.random(using: &random) ? .nested : .independent
    options.chunkRows = Int.random(in: 2...9, using: &random)
    if let positions { options.divergencePositions = positions }
    self.options = options
  }

  private init(_ other: StepCase, _ model: LLaVAModel) {
    (self.model, compressor, samples, stages, options) = (model, other.compressor, other.samples, other.stages, other.options)
  }

  /// The same with low-rank adapters, which learn beside the projector.
  func withAdapters(seed: UInt64) throws -> StepCase {
    var lora = LoRAOptions()
    (lora.rank, lora.alpha) = (3, 6)
    let adapted = try model.addingLoRA(lora, seed: seed)
    let generator = try Generator(seed: seed)
    for parameter in adapted.parameters.parameters {
      // Adapters begin at zero on one side, where half of the gradients would be none.
      if parameter.group == .adapter {
        try parameter.tensor.copyInPlace(from: .randn(parameter.tensor.shape, generator: generator) * 0.1)
      }
      try parameter.tensor.requiringGradient(parameter.group == .adapter || parameter.group == .projector)
    }
    return StepCase(self, adapted)
  }

  /// Loss and gradients of the step, the weights' gradients left empty.
  func run(
    _ samples: [TrainingSample]? = nil, stages: [Stage]? = nil, tokens: Int? = nil,
    _ change: (inout DistillationOptions) -> Void = { _ in }
  ) throws -> (loss: DistillationLoss, gradients: [String: Tensor]) {
    var options = options
    change(&options)
    let loss = try DistillationStep(model, compressor, options)(
      samples ?? self.samples, stages: stages ?? self.stages, tokens: tokens)
    try loss.total.backward()
    return (loss, try takeGradients())
  }

  /// The gradients of all weights that have one, which they then no longer have.
  func takeGradients() throws -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    for parameter in model.parameters.parameters {
      found[parameter.name] = try parameter.tensor.gradient()
      try parameter.tensor.setGradient(nil)
    }
    return found
  }
}

/// The largest difference of two sets of gradients, relative to the largest element of each weight's.
func distance(_ a: [String: Tensor], _ b: [String: Tensor]) throws -> (name: String, value: Double) {
  guard Set(a.keys) == Set(b.keys) else {
    return (Set(a.keys).symmetricDifference(b.keys).sorted().joined(separator: ", "), .infinity)
  }
  var worst = (name: "", value: 0.0)
  for (name, x) in a {
    guard let y = b[name] else { continue }
    let scale = max(try y.abs().max().item(), 1e-4)
    let value = try (x - y).abs().max().item() / scale
    if value > worst.value || !value.isFinite { worst = (name, value) }
  }
  return worst
}
