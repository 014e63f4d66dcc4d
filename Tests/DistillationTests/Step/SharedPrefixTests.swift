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
    #expect(worst.value < 5e-5, "\(worst.name)")
  }

  @Test(arguments: 0..<8) func nothingIsDroppedAfterTheLastLayer(_ seed: Int) throws {
    let layers = try StepCase(seed).model.configuration.text.layers
    let c = try StepCase(seed, layer: layers)
    let naive = try NaiveStep(c: c).run()
    let (loss, gradients) = try c.run()
    #expect(loss.teacherSamples == 0)
    #expect(try loss.divergence() == 0)
    #expect(try abs(loss.total.item() - naive.total) < 1e-5)
    #expect(try distance(gradients, naive.gradients).value < 1e-4)
  }

  /// Bit for bit: the same operators see the same numbers again.
  @Test(arguments: 0..<12, [DType.float32, .bfloat16]) func recomputationChangesNoBit(_ seed: Int, _ dtype: DType) throws {
    let c = try StepCase(seed, dtype: dtype)
    let (plain, gradients) = try c.run()
    let (again, same) = try c.run { $0.recomputesActivations = true }
    #expect(try plain.total.item() == again.total.item())
    #expect(try distance(gradients, same).value == 0)
  }

  @Test(arguments: 0..<12) func chunksAddUp(_ seed: Int) throws {
    let c = try StepCase(seed)
    let (whole, gradients) = try c.run { $0.chunkRows = 1000 }
    let (parts, same) = try c.run { $0.chunkRows = 1 + seed % 5 }
    #expect(try abs(whole.total.item() - parts.total.item()) < 1e-5)
    #expect(try distance(gradients, same).value < 2e-5)
  }

  /// Parts of a batch, divided by the tokens of all, have its gradients; each sample keeps its own ratios and draws.
  @Test(arguments: 0..<12) func accumulationIsOneLargeBatch(_ seed: Int) throws {
    let c = try StepCase(seed, samples: 4)
    // Both terms are over the same positions; those of the released code differ where a sample begins with a supervised token.
    var options = c.options
    options.divergencePositions = .predicting
    let step = try DistillationStep(c.model, c.compressor, options)
    let whole = try step(c.samples, stages: c.stages)
    try whole.total.backward()
    let gradients = try c.takeGradients()
    var total = 0.0
    for part in [0..<1, 1..<4] {
      let loss = try step(Array(c.samples[part]), stages: Array(c.stages[part]), tokens: whole.supervisedTokens)
      try loss.total.backward()
      total += try loss.total.item()
    }
    #expect(try abs(whole.total.item() - total) < 1e-5)
    #expect(try distance(gradients, c.takeGradients()).value < 1e-4)
  }

  @Test(arguments: 0..<8) func oneStageServesAllSamples(_ seed: Int) throws {
    let c = try StepCase(seed)
    let (one, gradients) = try c.run(stages: [c.stages[0]])
    let (each, same) = try c.run(stages: c.samples.map { _ in c.stages[0] })
    #expect(try one.total.item() == each.total.item())
    #expect(try distance(gradients, same).value == 0)
  }
}
