import TestSupport
import Testing
import Torch

@testable import Compression
@testable import Distillation
@testable import LLaVA

/// The step on families whose pictures, or sounds, have tokens by their sizes, against complete passes.
///
/// What a step asks of a curriculum of one student is a stage, drawn here; curricula of several students are `ManyStudentsTests`'.
@Suite struct FamilyStepTests {
  static let presets = ["tiny-next", "tiny-onevision", "tiny-qwen2.5-vl", "tiny-qwen2-vl", "tiny-qwen2-audio"]

  @Test(arguments: 0..<20) func theStepEqualsCompletePasses(_ seed: Int) throws {
    var c = try StepCase(seed, preset: Self.presets[seed % 5], samples: 2)
    let hasAdapters = seed / 5 == 3
    if hasAdapters { c = try c.withAdapters(seed: 3) }
    let naive = try NaiveStep(c: c).run()
    let (loss, gradients) = try c.run { $0.recomputesActivations = seed % 3 == 1 }
    #expect(try abs(loss.total.item() - naive.total) < 1e-4 * max(1, abs(naive.total)))
    #expect(try abs(loss.crossEntropy() - naive.crossEntropy) < 1e-4 && abs(loss.divergence() - naive.divergence) < 1e-4)
    let worst = try distance(gradients, naive.gradients)
    #expect(worst.value < 1e-3, "\(worst.name)")
    #expect(hasAdapters || seed % 5 > 1 || gradients["decoder.image_newline"] != nil)
  }
}
