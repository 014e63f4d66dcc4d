import Distillation
import Torch

/// What the micro-batches of a step add up to.
struct StepSums {
  private(set) var loss = 0.0
  private var crossEntropy = 0.0, divergence = 0.0
  private var tokens = 0, positions = 0
  private var samples = 0, rows = 0
  private var layer = 0
  private var studentRatio = 0.0, teacherRatio = 0.0
  private var squares: (crossEntropy: Double, divergence: Double)?

  /// - Parameter share: what the micro-batch's loss is multiplied by.
  mutating func add(_ found: DistillationLoss, _ stages: [Stage], _ batch: SampleBatch, share: Double) throws {
    try found.validate()
    loss += try found.total.detached().item() * share
    for student in found.students {
      crossEntropy += try student.crossEntropySum.item()
      divergence += try student.divergenceSum.item()
    }
    tokens += found.supervisedTokens * found.students.count
    positions += found.divergencePositions * found.students.count
    samples += batch.samples.count
    rows += batch.rows
    layer = stages.first?.layer ?? 0
    for index in batch.samples.indices {
      let stage = stages[stages.count == 1 ? 0 : index]
      studentRatio += stage.studentRatio
      teacherRatio += stage.teacherRatio
    }
    if let norms = found.gradientNorms {
      let (a, b) = (try norms.crossEntropy.item() * share, try norms.divergence.item() * share)
      squares = ((squares?.crossEntropy ?? 0) + a * a, (squares?.divergence ?? 0) + b * b)
    }
  }

  func record(
    step: Int, epoch: Double, gradientNorm: Double, learningRate: Double, seconds: Double, dataSeconds: Double
  ) -> StepRecord {
    let count = Double(max(1, samples))
    return StepRecord(
      step: step, epoch: epoch, loss: loss, crossEntropy: crossEntropy / Double(max(1, tokens)),
      divergence: divergence / Double(max(1, positions)), gradientNorm: gradientNorm,
      crossEntropyGradientNorm: squares?.crossEntropy.squareRoot(), divergenceGradientNorm: squares?.divergence.squareRoot(),
      learningRate: learningRate, layer: layer, studentRatio: studentRatio / count, teacherRatio: teacherRatio / count,
      samples: samples, rows: rows, supervisedTokens: tokens, seconds: seconds, dataSeconds: dataSeconds)
  }
}
