import Foundation
import Imaging
import LLaVA
import Shapes
import Torch
import Training

/// Teaches tower and projector to speak the decoder's words: the place that CLIP's pre-training has for a large model.
///
/// Every visual token learns the words of what it shows, of an object its colour, shape and cell, of a sign its character, as a
/// classification among the words of each group by word · feature. The embeddings stay as they are. Without it the answers alone teach a
/// tower of this size nothing in the time there is.
public final class Alignment {
  /// How long and how fast.
  public struct Options: Sendable {
    /// Optimizer steps.
    public var steps: Int
    /// Rate after the warm-up; it falls to 0 over the last 40 %.
    public var learningRate = 2e-3
    /// Where random numbers start.
    public var seed: UInt64 = 0
    /// Where to compute.
    public var device = Device.cpu

    /// What the shipped checkpoints were made with.
    public init(_ course: Course) { steps = course.alignmentSteps }
  }

  /// Tokens outside of what a group is about weigh this much, as most are.
  private static let noneWeight: Float = 0.15

  private let course: Course
  private let options: Options
  private let model: LLaVAModel
  /// Embeddings of all groups' words, one after the other, [words, hiddenSize].
  private let words: Tensor
  /// Scores of "none of the group's words", a tenth of them, one for each group.
  private let noneScores: Tensor
  private let optimizer: AdamW

  /// A model with random weights, ready to be aligned.
  ///
  /// - Throws: `TorchError`.
  public init(_ course: Course, _ options: Options) throws {
    (self.course, self.options) = (course, options)
    let source = MovedParameters(source: try BaseParameters(course, seed: options.seed), device: options.device)
    model = try LLaVAModel(course.configuration, from: source)
    let ids = course.groups.flatMap { $0.words.compactMap(course.tokenizer.tokenID) }
    words = try model.decoder.embedding.embedding(Tensor(ids, on: options.device))
    noneScores = try Tensor.zeros([course.groups.count], on: options.device).requiringGradient()
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
    let reader = reading(from: 0, count: options.steps * course.alignmentBatch)
    for step in 0..<options.steps {
      let loss = try loss(of: next(course.alignmentBatch, reader))
      try loss.backward()
      try optimizer.step(factor: schedule.factor(at: step))
      try optimizer.clearGradients()
      try observe(step + 1, loss.item())
    }
  }

  /// Share of the labelled tokens of new pictures that are given the right word, for each group.
  public func accuracies(scenes: Int = 100) throws -> [(group: String, accuracy: Double)] {
    let reader = reading(from: options.steps * course.alignmentBatch, count: scenes)
    let groups = course.groups
    var (right, all) = ([Int](repeating: 0, count: groups.count), [Int](repeating: 0, count: groups.count))
    try withoutGradient {
      for first in stride(from: 0, to: scenes, by: course.alignmentBatch) {
        let batch = try next(min(course.alignmentBatch, scenes - first), reader)
        for (index, part) in try parts(scores(of: batch)).enumerated() {
          let found = try part.argmax().array(Int64.self)
          for (given, target) in zip(found, batch.classes[index]) where target >= 0 {
            all[index] += 1
            right[index] += Int(given) == target ? 1 : 0
          }
        }
      }
    }
    return groups.enumerated().map { ($1.name, Double(right[$0]) / Double(max(1, all[$0]))) }
  }

  /// Writes the model as a checkpoint in bfloat16 with its tokenizer.
  ///
  /// - Throws: `CheckpointError.exists` where the folder is there already; the system's error.
  public func write(to folder: URL) throws { try course.write(model, to: folder) }

  // MARK: - Pictures

  private struct Drawn: Sendable {
    let pixels: Tensor
    let classes: [[Int]]
  }

  private struct Batch {
    let pixels: Tensor
    /// For each group the class of each token of all pictures.
    let classes: [[Int]]
  }

  private typealias Reader = ReadAhead<Range<Int>.Iterator, Drawn>

  private func reading(from first: Int, count: Int) -> Reader {
    let (seed, course, preprocessor) = (options.seed, course, course.preprocessor)
    return ReadAhead((first..<first + count).makeIterator(), workers: Runtime.threads, ahead: 2 * course.alignmentBatch) {
      index in
      let (picture, classes) = try course.example(index, seed: seed)
      return Drawn(pixels: try preprocessor(picture), classes: classes)
    }
  }

  private func next(_ count: Int, _ reader: Reader) throws -> Batch {
    let drawn = try (0..<count).compactMap { _ in try reader.next() }
    return Batch(
      pixels: try stack(drawn.map(\.pixels)).to(options.device),
      classes: course.groups.indices.map { group in drawn.flatMap { $0.classes[group] } })
  }

  // MARK: - Loss

  /// word · feature for every token and word: [tokens of all pictures, words] float32.
  private func scores(of batch: Batch) throws -> Tensor {
    try course.rows(of: batch.pixels, model).linear(words) * BaseParameters.logitScale
  }

  private func parts(_ scores: Tensor) throws -> [Tensor] { try scores.split(course.groups.map(\.words.count), 1) }

  private func loss(of batch: Batch) throws -> Tensor {
    let scores = try scores(of: batch)
    let losses = try parts(scores).enumerated().map { index, part in
      let classes = batch.classes[index]
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
