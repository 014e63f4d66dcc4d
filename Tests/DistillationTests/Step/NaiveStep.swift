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
    (try crossEntropy(student), try teacher.map { try divergence(student, [$0]) } ?? .zeros([]))
  }

  /// Of the tokens that some row predicts.
  func crossEntropy(_ side: Side) throws -> Tensor {
    let predicted = side.tokens.filter { !$0.isFirst }
    return try side.logits.rows(Tensor(predicted.map { $0.row - 1 })).crossEntropy(Tensor(predicted.map(\.label)))
  }

  /// From the mean of some targets, each written out as its definition says.
  func divergence(_ student: Side, _ targets: [Side]) throws -> Tensor {
    let options = c.options
    let isHolding = options.divergencePositions == .holding
    let compared = student.tokens.indices.filter { isHolding || !student.tokens[$0].isFirst }
    func pick(_ side: Side, _ values: Tensor) throws -> Tensor {
      try values.rows(Tensor(compared.map { side.tokens[$0].row - (isHolding ? 0 : 1) }))
    }
    func probabilities(_ side: Side) throws -> Tensor { try (pick(side, side.logits) / options.temperature).softmax() }
    let p = try probabilities(student)
    let q = try mean(targets.map(probabilities)).detached()
    let values: Tensor
    switch options.divergence {
    case .forward: values = try (q * (q.log() - p.log())).sum(-1)
    case .reverse: values = try (p * (p.log() - q.log())).sum(-1)
    case .jensenShannon:
      let m = try (p + q) / 2
      values = try ((q * (q.log() - m.log())).sum(-1) + (p * (p.log() - m.log())).sum(-1)) / 2
    case .hidden:
      func unit(_ side: Side) throws -> Tensor {
        let rows = try pick(side, side.hidden)
        return try rows / rows.power(2).sum(-1, keepingDimension: true).power(0.5)
      }
      let target = try mean(targets.map(unit)).detached()
      let length = try target.power(2).sum(-1).power(0.5)
      values = try -((unit(student) * target).sum(-1) / length) + 1
    }
    let weights: [Double] =
      switch options.guidance {
      case .all: compared.map { _ in 1 }
      case .right: zip(try q.argmax().array(Int.self), compared).map { $0 == student.tokens[$1].label ? 1 : 0 }
      case .confidence: try q.array(Float.self).split(q.size(1)).map { Double($0.max() ?? 0) }
      }
    return try (values * Tensor(weights.map(Float.init))).sum() / Double(max(1, compared.count))
  }

  private func mean(_ values: [Tensor]) throws -> Tensor {
    try values.dropFirst().reduce(values[0]) { try $0 + $1 } / Double(values.count)
  }

  struct Token {
    let row: Int
    let label: Int
    let isFirst: Bool
  }

  /// Scores and final hidden states of all rows of all samples, and the supervised tokens among them.
  struct Side {
    let logits, hidden: Tensor
    let tokens: [Token]
  }

  /// One complete pass, cut after a layer at a ratio, for each sample.
  func side(
    _ cuts: [(layer: Int, ratio: Double)], by other: LLaVAModel? = nil, _ seed: (TrainingSample) -> UInt64
  ) throws -> Side {
    let model = other ?? c.model
    let pictures = try c.samples.map { try model.encode([PictureRequest(ids: [], pictures: $0.pictures)])[0] }
    let batch = try model.splice(c.samples.map(\.ids), pictures, labels: c.samples.map(\.labels))
    let counts = zip(pictures, cuts).map { images, cut in
      images.map { image in
        let tokens = image.layout.counted
        return cut.ratio == 0 ? tokens : c.compressor.count(ratio: cut.ratio, of: tokens)
      }
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
      logits: try model.decoder.logits(last.hidden), hidden: try model.decoder.norm(last.hidden),
      tokens: found.map { Token(row: $0, label: labels[$0], isFirst: starts.contains($0)) })
  }
}

extension Array {
  /// Parts of `count` elements.
  fileprivate func split(_ count: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)] }
  }
}
