import GoldenModels
import Language
import Torch

@testable import Compression
@testable import Distillation
@testable import LLaVA

/// The step as one would write it without thinking of cost: complete passes, logits of all rows, libtorch's own gradients.
struct NaiveStep {
  let c: StepCase

  /// Loss, both terms' means, and what `backward` leaves in the weights.
  func run() throws -> (total: Double, crossEntropy: Double, divergence: Double, gradients: [String: Tensor]) {
    let options = c.options
    let student = try side(c.stages.map { ($0.layer, $0.studentRatio) }) { $0.seed }
    let teacher = try withoutGradient {
      try side(c.stages.map { ($0.layer, $0.teacherRatio) }) { options.draws == .nested ? $0.seed : $0.seed ^ Self.stream(1) }
    }
    let (ce, kl) = try terms(student, teacher)
    let total = try ce * (1 - options.divergenceWeight) + kl * (options.divergenceWeight * scale)
    try total.backward()
    return (try total.item(), try ce.detached().item(), try kl.detached().item(), try c.takeGradients())
  }

  /// What another stream of random numbers is made of.
  static func stream(_ number: UInt64) -> UInt64 { number &* 0x9e37_79b9_7f4a_7c15 }

  /// What a divergence is multiplied by, beside its weight.
  var scale: Double { c.options.scalesByTemperature ? c.options.temperature * c.options.temperature : 1 }

  /// Both terms' means.
  ///
  /// Both sides hold the same supervised tokens in the same order; one without a row before it has no prediction.
  func terms(_ student: Side, _ teacher: Side?) throws -> (crossEntropy: Tensor, divergence: Tensor) {
    let own = student.tokens
    let predicted = own.indices.filter { !own[$0].isFirst }
    let rows = try Tensor(predicted.map { own[$0].row - 1 })
    let ce = try student.logits.rows(rows).crossEntropy(Tensor(predicted.map { own[$0].label }))
    guard let teacher else { return (ce, try .zeros([])) }
    let compared = c.options.divergencePositions == .holding ? Array(own.indices) : predicted
    let shift = c.options.divergencePositions == .holding ? 0 : 1
    func logs(_ logits: Tensor, _ rows: [Int]) throws -> Tensor {
      try (logits.rows(Tensor(rows)) / c.options.temperature).logSoftmax()
    }
    let p = try logs(student.logits, compared.map { own[$0].row - shift })
    let q = try logs(teacher.logits, compared.map { teacher.tokens[$0].row - shift })
    return (ce, try (q.exp() * (q - p)).sum() / Double(max(1, compared.count)))
  }

  struct Token {
    let row: Int
    let label: Int
    let isFirst: Bool
  }

  /// Scores of all rows of all samples, and the supervised tokens among them.
  struct Side {
    let logits: Tensor
    let tokens: [Token]
  }

  /// One complete pass, cut after a layer at a ratio, for each sample.
  func side(_ cuts: [(layer: Int, ratio: Double)], _ seed: (TrainingSample) -> UInt64) throws -> Side {
    let model = c.model
    let features = try c.samples.map { try $0.images.map { try model.visualTokens($0.unsqueezed(0)).selected(0, 0) } }
    let batch = try model.splice(c.samples.map(\.ids), features: features, labels: c.samples.map(\.labels))
    let tokens = model.pictureLayout.count
    let counts = zip(features, cuts).map { images, cut in
      images.map { _ in cut.ratio == 0 ? tokens : c.compressor.count(ratio: cut.ratio, of: tokens) }
    }
    let generators = try c.samples.map { try Generator(seed: seed($0)) }
    let layer = cuts[0].layer
    // After the last layer there is nothing to compress for.
    let stage = CompressionPlan.Stage(c.compressor, at: .decoder(layer: layer), .keep(0))
    let stages = layer == model.configuration.text.layers ? [] : [CompressionPlan.ResolvedStage(stage, counts: counts)]
    let (last, _) = try model.decode(batch, stages, generators: generators)
    let labels = try last.labels?.array(Int.self) ?? []
    let starts = Set(last.starts)
    let found = labels.indices.filter { labels[$0] != ignoredLabel }
    return Side(
      logits: try model.decoder.logits(last.hidden),
      tokens: found.map { Token(row: $0, label: labels[$0], isFirst: starts.contains($0)) })
  }
}
