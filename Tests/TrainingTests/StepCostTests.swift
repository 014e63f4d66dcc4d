import Compression
import Distillation
import Efficiency
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// The work of steps against closed forms, and against that of the same branches taken apart.
@Suite struct StepCostTests {
  private let model: LLaVAModel
  private let samples: [TrainingSample]

  init() throws {
    model = try TestModel.tiny(seed: 1)
    let size = model.configuration.vision.imageSize
    let picture = try PicturePixels(.zeros([3, size, size]))
    samples = [
      TrainingSample(
        ids: [5, imagePlaceholderID, 6, 7, 8], labels: [ignoredLabel, ignoredLabel, ignoredLabel, 7, 8], pictures: [picture]),
      TrainingSample(ids: [5, 6, 7], labels: [ignoredLabel, 6, 7]),
    ]
  }

  private func flops(
    _ students: [Student], teacher: Teacher? = nil, trained: Set<ParameterGroup> = [.projector, .decoder],
    recomputes: Bool = false
  ) throws -> Double {
    var options = DistillationOptions()
    options.recomputesActivations = recomputes
    let shape = try DistillationStep(model, RandomChoice(), options)(samples, students: students, teacher: teacher).shape
    return try StepCost(model, training: trained, recomputes: recomputes).flops(of: shape)
  }

  private func student(_ layer: Int, _ keep: Int?, weight: Double = 0) throws -> Student {
    let plan = try keep.map { try CompressionPlan(RandomChoice(), layer: layer, .keep($0)) }
    return Student(plans: [plan], crossEntropyWeight: 1, divergenceWeight: weight)
  }

  /// One pass over all tokens, forward and twice backward, the last layer's queries for two rows of each sample.
  @Test func aPlainStepInClosedForm() throws {
    let c = model.configuration
    let (costs, visual) = (CostModel(c), Double(c.pictureLayout.count))
    let (width, layers) = (Double(c.text.hiddenSize), Double(c.text.layers))
    let heads = Double(c.text.heads * c.text.headDimension), keys = Double(c.text.keyValueHeads * c.text.headDimension)
    var expected = 0.0
    for (rows, asked) in [(4 + visual, 2.0), (3, 2)] {
      let full = costs.decoderLayer(tokens: rows)
      let last =
        4 * rows * width * keys + asked * (4 * width * heads + 6 * width * Double(c.text.intermediateSize)) + 4 * asked * rows
        * heads
      expected += 3 * ((layers - 1) * full + last) + 3 * asked * 2 * width * Double(c.text.vocabularySize)
    }
    let encoder = try costs.trueCost(text: 0, nil)
    #expect(abs(try flops([student(1, nil)]) / (expected + encoder.tower + 2 * encoder.projector) - 1) < 1e-12)
    // Frozen parts have no gradient of their own weights; a trained tower has both.
    let frozen = try flops([student(1, nil)], trained: [.tower])
    #expect(try frozen < flops([student(1, nil)], trained: [.tower, .projector, .decoder]))
    #expect(try flops([student(1, nil)], recomputes: true) > flops([student(1, nil)]))
  }

  /// Together branches cost what they cost apart, less the trunk that they share.
  @Test func whatIsSharedIsCountedOnce() throws {
    let budgets: [Int?] = [nil, 9, 5]
    for layer in 1..<model.configuration.text.layers {
      let together = try flops(budgets.map { try student(layer, $0) })
      let apart = try budgets.map { try flops([student(layer, $0)]) }
      // What is left of a branch that keeps all but its trunk: the difference of two such steps and one.
      let trunk = try apart[1] + apart[2] - flops([student(layer, 9), student(layer, 5)])
      #expect(trunk > 0 && abs(together - (apart.reduce(0, +) - 2 * trunk)) < 1e-6 * together)
    }
    // Students that see the same are one and the same rows; each has logits of its own, of four rows.
    let twice = try flops([student(2, nil), student(2, nil)]) - flops([student(2, nil)])
    #expect(abs(twice / (3 * 4 * CostModel(model.configuration).logits) - 1) < 1e-6)
  }

  @Test func aTeacherCostsItsForwardPassAlone() throws {
    let own = try flops([student(2, 5, weight: 1)], teacher: Teacher(plans: [nil]))
    let without = try flops([student(2, 5)])
    let second = try flops([student(2, 5), student(2, nil)])
    #expect(own > without && own < second)
    // A frozen one has a pass of its own; behind the same tower without a tower of its own.
    let frozen = try flops([student(2, 5, weight: 1)], teacher: Teacher(plans: [nil], model: model.frozen(training: [.decoder])))
    let foreign = try flops(
      [student(2, 5, weight: 1)], teacher: Teacher(plans: [nil], model: model.frozen(training: [.projector, .decoder])))
    #expect(own < frozen && frozen < foreign)
    let encoder = try CostModel(model.configuration).trueCost(text: 0, nil)
    #expect(abs(foreign - frozen - encoder.tower - encoder.projector) < 1e-6 * foreign)
  }
}
