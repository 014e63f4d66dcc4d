import Compression
import Distillation
import Foundation
import Imaging
import Language
import TestSupport
import Testing
import Torch

@testable import LLaVA
@testable import Training

/// Twenty steps of PyTorch and transformers (`Tests/Python/distillation_sequence.py`), followed in every way in which we can take them.
@Suite struct GoldenSequenceTests {
  struct Sequence: Decodable {
    struct Step: Decodable {
      let layer: Int
      let studentRatio, teacherRatio, loss, crossEntropy, divergence, gradientNorm: Double
    }
    let before: Int
    let learningRate, epsilon, weightDecay, maximumGradientNorm, divergenceWeight: Double
    let steps: [Step]
    let changes: [String: Double]
  }

  enum Way: String, CaseIterable { case plain, recomputing, smallChunks, sampleBySample, interrupted }

  private let sequence: Sequence
  private let file: SafetensorsFile

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources")
    sequence = try JSONDecoder().decode(Sequence.self, from: Data(contentsOf: folder.appending(path: "sequence.json")))
    file = try SafetensorsFile(folder.appending(path: "sequence.safetensors"))
  }

  private func start() throws -> LLaVAModel { try LLaVAModel.load(from: Fixtures.bundled("model/hf5"), dtype: .float32) }

  private func optimizer(_ model: LLaVAModel) throws -> AdamW {
    var options = AdamWOptions()
    options.learningRates = [.projector: sequence.learningRate, .decoder: sequence.learningRate]
    (options.epsilon, options.weightDecay) = (sequence.epsilon, sequence.weightDecay)
    options.maximumGradientNorm = sequence.maximumGradientNorm
    return try AdamW(model.parameters.trained(options), options)
  }

  private func samples(_ index: Int) throws -> [TrainingSample] {
    let (text, pixels) = (try file.tensor("ids/\(index)"), try file.tensor("pixels/\(index)"))
    return try (0..<text.size(0)).map { sample in
      let words = try text.selected(0, sample).array(Int.self)
      let ids = words.prefix(sequence.before) + [imagePlaceholderID] + words.dropFirst(sequence.before)
      let supervised = 5 + 2 * sample
      return TrainingSample(
        ids: Array(ids), labels: Array(repeating: ignoredLabel, count: ids.count - supervised) + ids.suffix(supervised),
        pictures: [try PicturePixels(pixels.selected(0, sample))])
    }
  }

  @Test(arguments: Way.allCases) func stepsAreThoseOfPyTorch(_ way: Way) throws {
    let initial = try start()
    var model = try start()
    var optimizer = try optimizer(model)
    var options = DistillationOptions()
    options.divergenceWeight = sequence.divergenceWeight
    options.recomputesActivations = way == .recomputing
    if way == .smallChunks { options.chunkRows = 3 }
    for (number, step) in sequence.steps.enumerated() {
      if way == .interrupted, number == 8 {
        // As a run goes on: the start's weights, then everything from the optimizer's state.
        let saved = try optimizer.state.reduce(into: [String: Tensor]()) { $0[$1.name] = try ($1.tensor * 1).detached() }
        model = try start()
        optimizer = try self.optimizer(model)
        try optimizer.restore { saved[$0] }
      }
      let distill = try DistillationStep(model, Uniform(), options)
      let stage = Stage(layer: step.layer, studentRatio: step.studentRatio, teacherRatio: step.teacherRatio)
      let batch = try samples(number % 4)
      let supervised = batch.reduce(0) { $0 + $1.labels.count { $0 != ignoredLabel } }
      var (total, crossEntropy, divergence) = (0.0, 0.0, 0.0)
      for part in way == .sampleBySample ? batch.map({ [$0] }) : [batch] {
        let loss = try distill(part, stages: [stage], tokens: supervised)
        try loss.total.backward()
        total += try loss.total.item()
        crossEntropy += try loss.students[0].crossEntropySum.item() / Double(supervised)
        divergence += try loss.students[0].divergenceSums[0].item() / Double(supervised)
      }
      let norm = try optimizer.step(factor: 1 - Double(number) / Double(sequence.steps.count))
      try optimizer.clearGradients()
      // Rounding grows from step to step; losses are of the order of 1.
      let tolerance = 2e-5 * Double(number + 1)
      #expect(abs(total - step.loss) < tolerance, "step \(number + 1): \(total), \(step.loss)")
      #expect(abs(crossEntropy - step.crossEntropy) < 4 * tolerance, "step \(number + 1)")
      #expect(abs(divergence - step.divergence) < tolerance, "step \(number + 1): \(divergence), \(step.divergence)")
      #expect(abs(norm - step.gradientNorm) < 1e-3 * step.gradientNorm, "step \(number + 1): \(norm), \(step.gradientNorm)")
    }
    try compare(model, initial)
  }

  /// The weights at the end: some as they are, of all others how far they have moved.
  private func compare(_ model: LLaVAModel, _ initial: LLaVAModel) throws {
    #expect(sequence.changes.count == model.parameters.parameters.count { $0.group != .tower })
    for (name, change) in sequence.changes {
      let own = try #require(KeyNames.own(name))
      let (now, before) = (try #require(model.parameters[own]).tensor.detached(), try #require(initial.parameters[own]).tensor)
      let moved = try length(now - before)
      #expect(abs(moved - change) < 2e-3 * change + 1e-6, "\(own): \(moved), \(change)")
      guard file.entries["weight/\(name)"] != nil else { continue }
      let distance = try length(now - file.tensor("weight/\(name)"))
      #expect(distance < 5e-3 * change, "\(own): \(distance) of \(change)")
    }
    #expect(file.entries.keys.count { $0.hasPrefix("weight/") } >= 5)
  }

  private func length(_ tensor: Tensor) throws -> Double { try (tensor * tensor).sum().item().squareRoot() }
}
