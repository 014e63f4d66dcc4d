import Language
import Torch

@testable import Compression
@testable import Distillation
@testable import LLaVA

/// The step as one would write it without thinking of cost: two complete passes, logits of all rows, libtorch's own gradients.
struct NaiveStep {
  let c: StepCase

  /// Loss, both terms' means, and what `backward` leaves in the weights.
  func run() throws -> (total: Double, crossEntropy: Double, divergence: Double, gradients: [String: Tensor]) {
    let options = c.options
    let student = try side(\.studentRatio) { $0.seed }
    let teacher = try withoutGradient {
      try side(\.teacherRatio) { options.draws == .nested ? $0.seed : $0.seed ^ 0x9e37_79b9_7f4a_7c15 }
    }
    // Both sides hold the same supervised tokens in the same order; one without a row before it has no prediction.
    let own = student.tokens, other = teacher.tokens
    let predicted = own.indices.filter { !own[$0].isFirst }
    let rows = try Tensor(predicted.map { own[$0].row - 1 })
    let ce = try student.logits.rows(rows).crossEntropy(Tensor(predicted.map { own[$0].label }))
    let compared = options.divergencePositions == .holding ? Array(own.indices) : predicted
    let shift = options.divergencePositions == .holding ? 0 : 1
    func logs(_ logits: Tensor, _ rows: [Int]) throws -> Tensor {
      try (logits.rows(Tensor(rows)) / options.temperature).logSoftmax()
    }
    let p = try logs(student.logits, compared.map { own[$0].row - shift })
    let q = try logs(teacher.logits, compared.map { other[$0].row - shift })
    let kl = try (q.exp() * (q - p)).sum() / Double(max(1, compared.count))
    let scale = options.scalesByTemperature ? options.temperature * options.temperature : 1
    let total = try ce * (1 - options.divergenceWeight) + kl * (options.divergenceWeight * scale)
    try total.backward()
    return (try total.item(), try ce.detached().item(), try kl.detached().item(), try c.takeGradients())
  }

  private struct Token {
    let row: Int
    let label: Int
    let isFirst: Bool
  }

  private func side(_ ratio: KeyPath<Stage, Double>, _ seed: (TrainingSample) -> UInt64) throws -> (
    logits: Tensor, tokens: [Token]
  ) {
    let model = c.model
    let features = try c.samples.map { try $0.images.map { try model.visualTokens($0.unsqueezed(0)).selected(0, 0) } }
    let batch = try model.splice(c.samples.map(\.ids), features: features, labels: c.samples.map(\.labels))
    let tokens = model.configuration.vision.tokens
    let counts = zip(features, c.stages).map { images, stage in
      let ratio = stage[keyPath: ratio]
      return images.map { _ in ratio == 0 ? tokens : c.compressor.count(ratio: ratio, of: tokens) }
    }
    let generators = try c.samples.map { try Generator(seed: seed($0)) }
    let layer = c.stages[0].layer
    // After the last layer there is nothing to compress for.
    let cuts = layer == model.configuration.text.layers ? [] : [CompressionPlan.ResolvedCut(layer: layer, counts: counts)]
    let (last, _) = try model.decode(batch, cuts: cuts, c.compressor, generators: generators)
    let labels = try last.labels?.array(Int.self) ?? []
    let starts = Set(last.starts)
    let found = labels.indices.filter { labels[$0] != ignoredLabel }
    return (try model.decoder.logits(last.hidden), found.map { Token(row: $0, label: labels[$0], isFirst: starts.contains($0)) })
  }
}
