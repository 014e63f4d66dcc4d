import Compression
import Language
import LLaVA
import TestSupport
import Testing
import Torch

@testable import Distillation

/// The step against one written without thinking of cost, and against itself computed in other ways.
@Suite struct SharedPrefixTests {
  @Test(arguments: 0..<48) func stepIsTheNaiveOne(_ seed: Int) throws {
    let c = try StepCase(seed)
    let naive = try NaiveStep(c: c).run()
    let (loss, gradients) = try c.run()
    #expect(try abs(loss.total.item() - naive.total) < 1e-5)
    #expect(try abs(loss.crossEntropy() - naive.crossEntropy) < 1e-5)
    #expect(try abs(loss.divergence() - naive.divergence) < 1e-6)
    let worst = try distance(gradients, naive.gradients)
    #expect(worst.value < 1e-4, "\(worst.name)")
  }

  @Test(arguments: 0..<8) func nothingIsDroppedAfterTheLastLayer(_ seed: Int) throws {
    let layers = try StepCase(seed).model.configuration.text.layers
    let c = try StepCase(seed, layer: layers)
    let naive = try NaiveStep(c: c).run()
    let (loss, gradients) = try c.run()
    #expect(loss.teacherSamples == 0)
    #expect(try loss.divergenceSum.item() == 0)
    #expect(try abs(loss.total.item() - naive.total) < 1e-5)
    #expect(try distance(gradients, naive.gradients).value < 1e-4)
  }

  @Test(arguments: 0..<16) func recomputationChangesNoBit(_ seed: Int) throws {
    let c = try StepCase(seed)
    let (plain, gradients) = try c.run()
    let (again, same) = try c.run { $0.recomputesActivations = true }
    #expect(try again.total.item() == plain.total.item())
    #expect(try distance(gradients, same).value == 0)
  }

  @Test(arguments: 0..<16) func chunksChangeNothingButRounding(_ seed: Int) throws {
    let c = try StepCase(seed)
    let (whole, gradients) = try c.run { $0.chunkRows = 10_000 }
    let (pieces, same) = try c.run { $0.chunkRows = 1 }
    #expect(try abs(whole.total.item() - pieces.total.item()) < 1e-6)
    #expect(try distance(gradients, same).value < 1e-5)
  }

  /// Micro-batches that are divided by the whole step's tokens add up to the step.
  @Test(arguments: 0..<16) func accumulationByTokensIsTheWholeBatch(_ seed: Int) throws {
    let c = try StepCase(seed, samples: 4)
    let (whole, gradients) = try c.run { $0.divergencePositions = .predicting }
    let tokens = whole.supervisedTokens
    var total = 0.0
    for part in [0..<1, 1..<4] {
      let loss = try DistillationStep(c.model, c.compressor, c.options.with { $0.divergencePositions = .predicting })(
        Array(c.samples[part]), stages: Array(c.stages[part]), tokens: tokens)
      try loss.total.backward()
      total += try loss.total.item()
    }
    #expect(try abs(total - whole.total.item()) < 1e-5)
    #expect(try distance(gradients, c.takeGradients()).value < 1e-4)
  }

  @Test(arguments: 0..<8) func withoutItsWeightTheTeacherIsNotComputed(_ seed: Int) throws {
    let c = try StepCase(seed)
    let (loss, _) = try c.run { $0.divergenceWeight = 0 }
    #expect(loss.teacherSamples == 0)
    #expect(try abs(loss.total.item() - loss.crossEntropy()) < 1e-6)
  }

  @Test(arguments: 0..<8) func whatIsFrozenGetsNoGradient(_ seed: Int) throws {
    let c = try StepCase(seed)
    for parameter in c.model.parameters.parameters { try parameter.tensor.requiringGradient(parameter.group == .projector) }
    let (_, gradients) = try c.run()
    #expect(!gradients.isEmpty && gradients.keys.allSatisfy { $0.hasPrefix("projector.") })
  }

  /// The student of a nested draw never keeps what its teacher lacks, so with equal ratios nothing is left to learn.
  @Test(arguments: 0..<8) func nestedDrawsOfEqualRatiosAreEqual(_ seed: Int) throws {
    let c = try StepCase(seed)
    let equal = c.stages.map { Stage(layer: 1, studentRatio: $0.studentRatio, teacherRatio: $0.studentRatio) }
    let (loss, _) = try c.run(stages: equal) { $0.draws = .nested }
    #expect(loss.teacherSamples == 0)
    #expect(try loss.divergenceSum.item() == 0)
  }

  /// Norms of the two terms' gradients from losses that have one term each.
  @Test(arguments: 0..<8) func gradientNormsAreThoseOfTheTerms(_ seed: Int) throws {
    let c = try StepCase(seed)
    let norms = try #require(c.run { $0.measuresGradients = true }.loss.gradientNorms)
    let weight = c.options.divergenceWeight
    let crossEntropy = try #require(c.run { ($0.measuresGradients, $0.divergenceWeight) = (true, 0) }.loss.gradientNorms)
    #expect(try abs(norms.crossEntropy.item() - (1 - weight) * crossEntropy.crossEntropy.item()) < 1e-5)
    let divergence = try #require(c.run { ($0.measuresGradients, $0.divergenceWeight) = (true, 1) }.loss.gradientNorms)
    #expect(try abs(norms.divergence.item() - weight * divergence.divergence.item()) < 1e-5)
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let c = try StepCase(0)
    func refuses(_ stages: [Stage], _ samples: [TrainingSample]? = nil) -> String {
      (#expect(throws: (any Error).self) { try c.run(samples, stages: stages) }).map { "\($0)" } ?? ""
    }
    #expect(refuses([]).contains("stages"))
    #expect(refuses([Stage(layer: 0, studentRatio: 0.5, teacherRatio: 0)]).contains("layer is 0"))
    #expect(refuses([Stage(layer: 1, studentRatio: 0.2, teacherRatio: 0.5)]).contains("teacher's ratio"))
    #expect(refuses([Stage(layer: 1, studentRatio: 2, teacherRatio: 0.5)]).contains("ratio is 2"))
    let mute = TrainingSample(ids: [1, 2, 3], labels: [ignoredLabel, ignoredLabel, ignoredLabel])
    #expect(refuses([Stage(layer: 1, studentRatio: 0.5, teacherRatio: 0)], [mute]).contains("supervised"))
  }
}

extension DistillationOptions {
  /// A copy with a change.
  func with(_ change: (inout DistillationOptions) -> Void) -> DistillationOptions {
    var options = self
    change(&options)
    return options
  }
}
