import TestSupport
import Testing
import Torch

@testable import Compression
@testable import Distillation
@testable import LLaVA

/// The step on families whose pictures have tokens by their sizes, against complete passes.
@Suite struct FamilyStepTests {
  @Test(arguments: 0..<12) func theStepEqualsCompletePasses(_ seed: Int) throws {
    var c = try StepCase(seed, preset: ["tiny-next", "tiny-onevision", "tiny-qwen2.5-vl"][seed % 3], samples: 2)
    let hasAdapters = seed % 5 == 4
    if hasAdapters { c = try c.withAdapters(seed: 3) }
    let naive = try NaiveStep(c: c).run()
    let (loss, gradients) = try c.run { $0.recomputesActivations = seed % 3 == 1 }
    #expect(try abs(loss.total.item() - naive.total) < 1e-4 * max(1, abs(naive.total)))
    #expect(try abs(loss.crossEntropy() - naive.crossEntropy) < 1e-4 && abs(loss.divergence() - naive.divergence) < 1e-4)
    let worst = try distance(gradients, naive.gradients)
    #expect(worst.value < 1e-3, "\(worst.name)")
    #expect(hasAdapters || seed % 3 == 2 || gradients["decoder.image_newline"] != nil)
  }
}
