import Testing
import Torch

@testable import Training

/// Runs of families whose pictures, videos or sounds have tokens by their sizes.
@Suite struct FamilyRunTests {
  private static let presets = [
    "tiny-next", "tiny-next-video", "tiny-onevision", "tiny-qwen2-vl", "tiny-qwen2.5-vl", "tiny-qwen2-audio",
  ]
  /// Each family with each curriculum, and with adapters in every second one.
  private static let cases = presets.enumerated().flatMap { row, preset in
    ["token", "layer", "integrated", "nested", "auto"].enumerated().map { column, curriculum in
      (preset, curriculum, (row + column) % 2 == 1)
    }
  }

  /// The same losses and weights, to the last bit, as a run that was never interrupted.
  @Test(arguments: cases) func anInterruptedRunEndsWithTheSameWeights(
    _ preset: String, _ curriculum: String, _ hasAdapters: Bool
  ) throws {
    let place = try RunPlace(samples: 8, preset: preset)
    func configuration(_ output: String) throws -> TrainingConfiguration {
      let keys = ["curriculum.name=\(curriculum)", "data.max-length=700", "data.max-frames=3", "batch.samples=2"]
      let budgets = ["nested", "auto"].contains(curriculum) ? ["curriculum.smallest=2"] : []
      let adapters = hasAdapters ? ["lora.rank=2"] : []
      return try (keys + budgets + adapters).reduce(place.configuration(output, steps: 4)) { try $0.changed($1) }
    }
    let whole = try place.run(configuration("whole"))
    #expect(whole.losses.count == 4 && whole.losses.allSatisfy(\.isFinite))
    let first = try place.run(configuration("cut"), stopAfter: 2)
    let rest = try place.run(configuration("cut"), resume: true)
    #expect(first.losses + rest.losses == whole.losses && rest.weights == whole.weights)
  }
}
