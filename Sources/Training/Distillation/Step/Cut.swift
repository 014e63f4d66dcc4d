import Compression
import Torch

/// Where a batch is cut and how many tokens of each image stay on either side.
struct Cut {
  /// Decoder layers before the cut; all of them where the student loses nothing.
  let layer: Int
  /// Tokens that stay of each image of each sample.
  let student, teacher: [[Int]]
  private let seeds: [UInt64]

  init(_ samples: [TrainingSample], _ stages: [Stage], _ step: DistillationStep) throws {
    guard stages.count == samples.count || stages.count == 1, let first = stages.first else {
      throw DistillationError.stageCount(stages: stages.count, samples: samples.count)
    }
    let layers = Set(stages.map(\.layer)).sorted()
    if layers.count > 1 { throw DistillationError.layersDiffer(layers) }
    let all = step.model.configuration.text.layers
    guard (1...all).contains(first.layer) else { throw CompressionError.layer(first.layer, allowed: 1...all) }
    if let stage = stages.first(where: { $0.teacherRatio > $0.studentRatio }) {
      throw DistillationError.teacherSeesLess(teacher: stage.teacherRatio, student: stage.studentRatio)
    }
    let tokens = step.model.configuration.vision.tokens
    func counts(_ ratio: KeyPath<Stage, Double>) throws -> [[Int]] {
      try samples.enumerated().map { index, sample in
        let ratio = stages[stages.count == 1 ? 0 : index][keyPath: ratio]
        guard (0...1).contains(ratio) else { throw CompressionError.ratio(ratio) }
        // Nothing, whatever a strategy's formula makes of it.
        let count = ratio == 0 ? tokens : min(tokens, step.compressor.count(ratio: ratio, of: tokens))
        return sample.images.map { _ in count }
      }
    }
    student = try counts(\.studentRatio)
    teacher = try counts(\.teacherRatio)
    seeds = samples.map(\.seed)
    layer = student.allSatisfy { $0.allSatisfy { $0 == tokens } } ? all : first.layer
  }

  func studentGenerators() throws -> [Generator] { try seeds.map { try Generator(seed: $0) } }

  /// Another stream for each sample, or the student's own from its beginning.
  func teacherGenerators(_ draws: TokenDraws) throws -> [Generator] {
    try seeds.map { try Generator(seed: draws == .nested ? $0 : $0 ^ 0x9e37_79b9_7f4a_7c15) }
  }
}
