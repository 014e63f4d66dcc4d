import Foundation
import Imaging
import LLaVA
import Shapes
import Torch
import Training

/// Teaches tower and projector to speak the decoder's words: the place that CLIP's pre-training has for a large model.
///
/// Every patch of an object learns its colour, shape, size, pattern and cell, and every patch of the sign its character and the
/// character's place, as a classification among the words of each group by word · feature. The embeddings stay as they are. Without it
/// the answers alone teach a tower of this size nothing in the time there is.
public final class Alignment {
  /// How long and how fast.
  public struct Options: Sendable {
    /// Optimizer steps.
    public var steps = 700
    /// Scenes of a step; each is drawn once and never seen again.
    public var scenes = 48
    /// Rate after the warm-up; it falls to 0 over the last 40 %.
    public var learningRate = 2e-3
    /// Where random numbers start.
    public var seed: UInt64 = 0
    /// Where to compute.
    public var device = Device.cpu

    /// What the shipped checkpoints were made with.
    public init() {}
  }

  private static let groups = PatchLabels.Group.allCases
  /// Patches outside of what a group is about weigh this much, as most are.
  private static let noneWeight: Float = 0.15

  private let options: Options
  private let model: LLaVAModel
  private let preprocessor: ImagePreprocessor
  /// Embeddings of all groups' words, one after the other, [words, hiddenSize].
  private let words: Tensor
  /// Scores of "none of the group's words", a tenth of them, one for each group.
  private let noneScores: Tensor
  private let optimizer: AdamW

  /// A model with random weights, ready to be aligned.
  ///
  /// - Throws: `TorchError`.
  public init(_ options: Options = Options()) throws {
    self.options = options
    let source = MovedParameters(source: try BaseParameters(seed: options.seed), device: options.device)
    model = try LLaVAModel(BaseModel.configuration, from: source)
    preprocessor = ImagePreprocessor(imageSize: Scene.side)
    let ids = Self.groups.flatMap { PatchLabels.words($0).compactMap(ShapesTokenizer.tokenID) }
    words = try model.decoder.embedding.rows(Tensor(ids, on: options.device))
    noneScores = try Tensor.zeros([Self.groups.count], on: options.device).requiringGradient()
    var adam = AdamWOptions()
    adam.learningRates = [.tower: options.learningRate, .projector: options.learningRate]
    adam.beta2 = 0.95
    adam.maximumGradientNorm = 1
    let trained = try model.parameters.trained(adam)
    optimizer = try AdamW(
      trained + [TrainedParameter("alignment.none.bias", noneScores, learningRate: options.learningRate)], adam)
  }

  /// Takes all steps.
  ///
  /// - Parameter observe: is told the number of completed steps and the loss of the last.
  /// - Throws: `TorchError`; what drawing a scene throws.
  public func run(_ observe: (_ step: Int, _ loss: Double) throws -> Void) throws {
    let schedule = try LearningRateSchedule(.constantDecay, steps: options.steps, warmupRatio: 50 / 700, decayRatio: 0.4)
    let reader = reading(from: 0, count: options.steps * options.scenes)
    for step in 0..<options.steps {
      let loss = try loss(of: next(options.scenes, reader))
      try loss.backward()
      try optimizer.step(factor: schedule.factor(at: step))
      try optimizer.clearGradients()
      try observe(step + 1, loss.item())
    }
  }

  /// Share of the labelled patches of new scenes that are given the right word, for each group.
  public func accuracies(scenes: Int = 100) throws -> [(group: PatchLabels.Group, accuracy: Double)] {
    let reader = reading(from: options.steps * options.scenes, count: scenes)
    var (right, all) = ([Int](repeating: 0, count: Self.groups.count), [Int](repeating: 0, count: Self.groups.count))
    try withoutGradient {
      for first in stride(from: 0, to: scenes, by: options.scenes) {
        let batch = try next(min(options.scenes, scenes - first), reader)
        let scores = try scores(of: batch)
        for (index, part) in try parts(scores).enumerated() {
          let found = try part.argmax().array(Int64.self)
          for (given, target) in zip(found, batch.labels.flatMap { $0.classes(Self.groups[index]) }) where target >= 0 {
            all[index] += 1
            right[index] += Int(given) == target ? 1 : 0
          }
        }
      }
    }
    return Self.groups.enumerated().map { ($1, Double(right[$0]) / Double(max(1, all[$0]))) }
  }

  /// Writes the model as a checkpoint in bfloat16 with its tokenizer.
  ///
  /// - Throws: `CheckpointError.exists` where the folder is there already; the system's error.
  public func write(to folder: URL) throws { try model.writeWithShapesTokenizer(to: folder) }

  // MARK: - Scenes

  private struct Drawn: Sendable {
    let pixels: Tensor
    let labels: PatchLabels
  }

  private struct Batch {
    let pixels: Tensor
    let labels: [PatchLabels]
  }

  private typealias Reader = ReadAhead<Range<Int>.Iterator, Drawn>

  private func reading(from first: Int, count: Int) -> Reader {
    let (seed, preprocessor) = (options.seed, preprocessor)
    return ReadAhead((first..<first + count).makeIterator(), workers: Runtime.threads, ahead: 2 * options.scenes) { index in
      // Streams of their own: no scene of a data set is among them.
      var generator = SceneGenerator(seed: seed ^ 0xa11c_0de5, stream: UInt64(index))
      let scene = Scene(using: &generator)
      return Drawn(pixels: try preprocessor(scene.draw()), labels: PatchLabels(scene))
    }
  }

  private func next(_ count: Int, _ reader: Reader) throws -> Batch {
    let drawn = try (0..<count).compactMap { _ in try reader.next() }
    return Batch(pixels: try stack(drawn.map(\.pixels)).to(options.device), labels: drawn.map(\.labels))
  }

  // MARK: - Loss

  /// word · feature for every patch and word: [scenes · patches, words] float32.
  private func scores(of batch: Batch) throws -> Tensor {
    let features = try model.visualTokens(batch.pixels)
    return try features.reshaped([-1, words.size(1)]).linear(words) * BaseParameters.logitScale
  }

  private func parts(_ scores: Tensor) throws -> [Tensor] {
    try scores.split(Self.groups.map { PatchLabels.words($0).count }, 1)
  }

  private func loss(of batch: Batch) throws -> Tensor {
    let scores = try scores(of: batch)
    let losses = try parts(scores).enumerated().map { index, part in
      let classes = batch.labels.flatMap { $0.classes(Self.groups[index]) }
      let none = try (noneScores.narrow(0, from: index, length: 1) * 10).reshaped([1, 1]).expanded([part.size(0), 1])
      let logs = try concatenate([part, none], 1).logSoftmax()
      let targets = try Tensor(classes.map { $0 < 0 ? part.size(1) : $0 }, [classes.count, 1], on: options.device)
      let weights = classes.map { $0 < 0 ? Self.noneWeight : 1 }
      let sum = try (logs.gathered(1, targets) * Tensor(weights, [weights.count, 1], on: options.device)).sum()
      return try sum * (-1 / Double(weights.reduce(0, +)))
    }
    return try stack(losses).mean()
  }
}

/// Weights of another source on a device.
private struct MovedParameters: ParameterSource {
  let source: BaseParameters
  let device: Device

  func contains(_ name: String) -> Bool { source.contains(name) }
  func parameter(_ name: String, shape: [Int]) throws -> Tensor { try source.parameter(name, shape: shape).to(device) }
}
