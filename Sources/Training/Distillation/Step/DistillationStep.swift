import Compression
import LLaVA
import Language
import Torch

/// One step of progressive consistency distillation: the loss of a batch, ready for its backward pass.
///
/// Student and teacher are the same weights. All that comes before the cut (tower, projector, splice, layers 0..<ℓ) is computed once;
/// then the student's tokens go on with gradient and the teacher's, from the same rows, without.
public struct DistillationStep: Sendable {
  /// What is trained.
  public let model: LLaVAModel
  /// Chooses the tokens that stay, for both sides.
  public let compressor: any TokenCompressor
  /// The loss.
  public let options: DistillationOptions

  /// A step with a model, a strategy and a loss.
  ///
  /// - Throws: `DistillationError.option`.
  public init(_ model: LLaVAModel, _ compressor: any TokenCompressor, _ options: DistillationOptions = .init()) throws {
    try options.validate()
    self.model = model
    self.compressor = compressor
    self.options = options
  }

  /// The loss of a batch.
  ///
  /// - Parameters:
  ///   - samples: any mix of samples with one image, several or none.
  ///   - stages: one for all samples or one for each, with one layer ℓ in 1...L. With ℓ = L nothing is dropped, and teacher and student
  ///     are the same.
  ///   - tokens: what the sums of both terms are divided by, for batches that are parts of a larger one: the supervised tokens of all
  ///     parts, so that the gradients of all parts add up to those of the whole. By default the batch's own positions.
  /// - Throws: `DistillationError` for stages that do not fit and batches without a supervised token; `PromptError` for samples that
  ///   do not fit together; `CompressionError` for a layer outside 1...L; `TorchError`.
  public func callAsFunction(_ samples: [TrainingSample], stages: [Stage], tokens: Int? = nil) throws -> DistillationLoss {
    let cut = try Cut(samples, stages, self)
    let batch = try splice(samples)
    let supervised = SupervisedTokens(samples, visual: batch.visual)
    let all = Array(samples.indices)
    func rows(_ student: PackedBatch) throws -> LossRows {
      let rows = supervised.lossRows(student, options.divergencePositions)
      if !rows.targets.isEmpty { return rows }
      throw DistillationError.nothingSupervised(samples: samples.count)
    }
    let layers = model.configuration.text.layers
    let (student, teacher): (Side, Side?)
    let loss: LossRows
    if cut.layer == layers {
      loss = try rows(batch)
      let last = try run(0..<layers, batch, loss.ranges(in: batch, samples: all))
      (student, teacher) = (Side(hidden: last.hidden, samples: all), nil)
    } else {
      let (shared, trace) = try model.decoder.runTracing(layers: 0..<cut.layer, batch, recomputing: options.recomputesActivations)
      guard let trace else { throw CompressionError.layer(cut.layer, allowed: 1...layers) }
      let own = try model.compress(shared, trace, counts: cut.student, compressor, generators: cut.studentGenerators())
      loss = try rows(own)
      // Before the student, whose activations then do not lie in memory yet.
      teacher = try options.divergenceWeight == 0 ? nil : self.teacher(shared, trace, cut, own, loss)
      let last = try run(cut.layer..<layers, own, loss.ranges(in: own, samples: all))
      student = Side(hidden: last.hidden, samples: all)
    }
    return try compare(student, teacher, loss, tokens)
  }

  /// Rows of the loss on one side, before the final norm, and the samples that they belong to.
  private struct Side {
    let hidden: Tensor
    let samples: [Int]
  }

  private func run(_ layers: Range<Int>, _ batch: PackedBatch, _ rows: [[Range<Int>]]) throws -> PackedBatch {
    try model.decoder.run(layers: layers, batch, only: rows, recomputing: options.recomputesActivations)
  }

  /// Tower, projector and splice.
  private func splice(_ samples: [TrainingSample]) throws -> PackedBatch {
    let images = samples.flatMap(\.images)
    var features: [Tensor] = []
    if !images.isEmpty {
      let tokens = try model.visualTokens(stack(images))
      // Split, as the gradients of pieces are put together in one pass.
      features = try tokens.reshaped([-1, tokens.size(2)]).split(images.map { _ in tokens.size(1) })
    }
    var rest = features[...]
    return try model.splice(
      samples.map(\.ids),
      features: samples.map { sample in
        defer { rest = rest.dropFirst(sample.images.count) }
        return Array(rest.prefix(sample.images.count))
      }, labels: samples.map(\.labels))
  }

  /// The teacher's rows of the loss; nil where no sample needs them.
  private func teacher(
    _ shared: PackedBatch, _ trace: AttentionTrace, _ cut: Cut, _ student: PackedBatch, _ loss: LossRows
  ) throws -> Side? {
    try withoutGradient {
      var batch = shared
      batch.hidden = try shared.hidden.detached()
      batch = try model.compress(
        batch, trace, counts: cut.teacher, compressor, generators: cut.teacherGenerators(options.draws))
      let samples = try batch.lengths.indices.filter { try !keepsTheSame(batch.patches[$0], student.patches[$0]) }
      if samples.isEmpty { return nil }
      batch = try batch.keepingSamples(samples)
      let ranges = loss.ranges(in: batch, samples: samples)
      if ranges.allSatisfy(\.isEmpty) { return nil }
      let last = try model.decoder.run(layers: cut.layer..<model.configuration.text.layers, batch, only: ranges)
      return Side(hidden: last.hidden, samples: samples)
    }
  }

  private func keepsTheSame(_ a: [Tensor?], _ b: [Tensor?]) throws -> Bool {
    try zip(a, b).allSatisfy { a, b in
      guard let a, let b else { return a == nil && b == nil }
      return try a.count == b.count && a.array(Int.self) == b.array(Int.self)
    }
  }

  private func compare(_ student: Side, _ teacher: Side?, _ loss: LossRows, _ tokens: Int?) throws -> DistillationLoss {
    let compared = Set(teacher?.samples ?? [])
    // Rows with a teacher first, in the teacher's own order.
    let rows = loss.samples.indices
    let order = rows.filter { compared.contains(loss.samples[$0]) } + rows.filter { !compared.contains(loss.samples[$0]) }
    let own = order.elementsEqual(rows) ? student.hidden : try student.hidden.rows(Tensor(order, on: model.device))
    let supervised = loss.targets.lazy.filter { $0 != ignoredLabel }.count
    let positions = loss.diverges.lazy.filter { $0 }.count
    let consistency = ConsistencyLoss(
      options: options, head: model.decoder.head, targets: order.map { loss.targets[$0] },
      diverges: order.map { loss.diverges[$0] },
      crossEntropyCount: tokens ?? supervised, divergenceCount: tokens ?? positions)
    let found = try consistency(
      model.decoder.norm(own), teacher.map { side in try withoutGradient { try model.decoder.norm(side.hidden) } })
    return DistillationLoss(
      total: found.total, crossEntropySum: found.crossEntropySum, divergenceSum: found.divergenceSum,
      supervisedTokens: supervised,
      divergencePositions: positions, teacherSamples: compared.count, gradientNorms: found.gradientNorms)
  }
}
