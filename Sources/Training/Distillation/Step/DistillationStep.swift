import Compression
import LLaVA
import Language
import Torch

/// One step of progressive consistency distillation: the loss of a batch, ready for its backward pass.
///
/// Students and teacher are the same weights. All that comes before the first cut (tower, projector, splice, layers 0..<ℓ) is computed
/// once; then each student's tokens go on with gradient and the teacher's, from the same rows, without.
public struct DistillationStep: Sendable {
  /// What is trained.
  public let model: LLaVAModel
  /// Chooses the tokens that stay, where a curriculum's stage says how many.
  public let reducer: any TokenReducer
  /// The loss.
  public let options: DistillationOptions
  /// The strategy as part of a plan; one for all samples, so that it is asked about all of them together.
  private let base: CompressionPlan.Stage

  /// A step with a model, a strategy and a loss.
  ///
  /// - Throws: `DistillationError.option`.
  public init(_ model: LLaVAModel, _ reducer: any TokenReducer, _ options: DistillationOptions = .init()) throws {
    try options.validate()
    self.model = model
    self.reducer = reducer
    self.options = options
    base = CompressionPlan.Stage(reducer, .ratio(0))
  }

  /// The loss of a batch with one student and one teacher, at the ratios of a curriculum.
  ///
  /// - Parameters:
  ///   - samples: any mix of samples with one image, several or none.
  ///   - stages: one for all samples or one for each, with one layer ℓ in 1...L. With ℓ = L nothing is dropped, and teacher and student
  ///     are the same. A strategy that works before the decoder works there, whatever the layer.
  ///   - tokens: what the sums of both terms are divided by, for batches that are parts of a larger one: the supervised tokens of all
  ///     parts, so that the gradients of all parts add up to those of the whole. By default the batch's own positions.
  /// - Throws: `DistillationError` for stages that do not fit and batches without a supervised token; `PromptError` for samples that
  ///   do not fit together; `CompressionError` for a layer outside 1...L; `TorchError`.
  public func callAsFunction(_ samples: [TrainingSample], stages: [Stage], tokens: Int? = nil) throws -> DistillationLoss {
    guard stages.count == samples.count || stages.count == 1 else {
      throw DistillationError.stageCount(stages: stages.count, samples: samples.count)
    }
    let layers = Set(stages.map(\.layer)).sorted()
    if layers.count > 1 { throw DistillationError.layersDiffer(layers) }
    if let stage = stages.first(where: { $0.teacherRatio > $0.studentRatio }) {
      throw DistillationError.teacherSeesLess(teacher: stage.teacherRatio, student: stage.studentRatio)
    }
    let student = Student(
      plans: try stages.map { try plan($0, $0.studentRatio) }, crossEntropyWeight: 1 - options.divergenceWeight,
      divergenceWeight: options.divergenceWeight)
    let teacher = options.divergenceWeight == 0 ? nil : Teacher(plans: try stages.map { try plan($0, $0.teacherRatio) })
    return try self(samples, students: [student], teacher: teacher, tokens: tokens)
  }

  /// The strategy at a ratio; nil for ratio 0, whatever a strategy's formula makes of it.
  private func plan(_ stage: Stage, _ ratio: Double) throws -> CompressionPlan? {
    let all = model.configuration.text.layers
    guard (1...all).contains(stage.layer) else { throw CompressionError.layer(stage.layer, allowed: 1...all) }
    let site = reducer.sites.first == .decoder ? Site.decoder(layer: stage.layer) : base.site
    let plan = try CompressionPlan(stages: [base.with(site, .ratio(ratio))])
    return ratio == 0 ? nil : plan
  }

  /// The loss of a batch with any number of students, all from one trunk.
  ///
  /// loss = Σ over students of `crossEntropyWeight` · CE + `divergenceWeight` · KL(teacher ‖ student), τ² where the options say so.
  ///
  /// - Parameters:
  ///   - students: each with its plans; their cuts may be at different layers. Plans without stages keep all tokens.
  ///   - teacher: what the divergence is taken from; nil for none.
  ///   - tokens: as above.
  /// - Throws: as above.
  public func callAsFunction(
    _ samples: [TrainingSample], students: [Student], teacher: Teacher? = nil, tokens: Int? = nil
  ) throws -> DistillationLoss {
    if students.isEmpty { throw DistillationError.noStudent }
    for student in students { try student.validate(hasTeacher: teacher != nil) }
    let ways = try StepBranches(self, samples, students, teacher)
    let loss = SupervisedTokens(samples, imageTokens: model.pictureLayout.count).lossRows(
      ways.views.map(\.counts), options.divergencePositions)
    if loss.targets.isEmpty { throw DistillationError.nothingSupervised(samples: samples.count) }
    let trunk = try ways.trunk()
    let (branches, origins) = ways.branches()
    var none: [KeyValueCache]?
    let found = try BranchingDecoder.run(
      model.decoder, trunk, caches: &none, branches, recomputes: options.recomputesActivations
    ) { origin, now, _ in loss.ranges(of: origin % samples.count, now.map(\.span)) }
    let rows = StepRows(found, origins)
    return try compare(rows, ways, students, loss, tokens, found.checks)
  }

  private func compare(
    _ rows: StepRows, _ ways: StepBranches, _ students: [Student], _ loss: LossRows, _ tokens: Int?, _ checks: [ChoiceCheck]
  ) throws -> DistillationLoss {
    let supervised = loss.targets.lazy.filter { $0 != ignoredLabel }.count
    let positions = loss.diverges.lazy.filter { $0 }.count
    let teacher = ways.views.count > students.count ? students.count : nil
    var consistency = ConsistencyLoss(
      options: options, head: model.decoder.head, norm: { [norm = model.decoder.norm] in try norm($0) },
      crossEntropyCount: tokens ?? supervised,
      divergenceCount: tokens ?? positions)
    var compared: Set<Int> = []
    for (index, student) in students.enumerated() {
      // Samples of which the teacher sees something else, in its own order.
      let differing =
        try teacher.map { view in
          try student.divergenceWeight == 0 ? [] : rows.samples(of: view).filter { try rows.differ(index, view, $0) }
        } ?? []
      compared.formUnion(differing)
      let rest = rows.samples(of: index).filter { !differing.contains($0) }
      let order = (differing + rest).flatMap { loss.rows(of: $0) }
      consistency.parts.append(
        ConsistencyLoss.Part(
          student: try rows.hidden(of: index, differing + rest),
          teacher: try teacher.flatMap { try differing.isEmpty ? nil : rows.hidden(of: $0, differing).detached() },
          targets: order.map { loss.targets[$0] }, diverges: order.map { loss.diverges[$0] },
          crossEntropyWeight: student.crossEntropyWeight, divergenceWeight: student.divergenceWeight,
          recordsGradients: student.recordsGradients))
    }
    return try consistency(
      supervisedTokens: supervised, divergencePositions: positions, teacherSamples: compared.count, checks: checks)
  }
}

extension Student {
  fileprivate func validate(hasTeacher: Bool) throws {
    for (name, weight) in [("cross-entropy weight", crossEntropyWeight), ("divergence weight", divergenceWeight)]
    where !(weight >= 0 && weight.isFinite) {
      throw DistillationError.option(name: name, value: "\(weight)", expected: "0 or more")
    }
    if divergenceWeight != 0, !hasTeacher {
      throw DistillationError.option(
        name: "divergence weight", value: "\(divergenceWeight)", expected: "0, as there is no teacher")
    }
  }
}
