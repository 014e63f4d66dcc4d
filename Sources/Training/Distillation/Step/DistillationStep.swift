import Compression
import LLaVA
import Language
import Torch

/// One step of progressive consistency distillation: the loss of a batch, ready for its backward pass.
///
/// Students and teacher are the same weights, unless the teacher is a frozen model. All that comes before the first cut (tower,
/// projector, splice, layers 0..<ℓ) is computed once; then each student's tokens go on with gradient and the teacher's, from the same
/// rows, without.
public struct DistillationStep: Sendable {
  /// What is trained.
  public let model: LLaVAModel
  /// Chooses the tokens that stay, where a curriculum's stage says how many.
  public let reducer: any TokenReducer
  /// The loss.
  public let options: DistillationOptions
  /// The compressor as part of a plan; one for all samples, so that it is asked about all of them together.
  private let base: CompressionPlan.Stage

  /// A step with a model, a compressor and a loss.
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
  ///     are the same. A compressor that works before the decoder works there, whatever the layer.
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
    let plan = stages.first.map { PlannedStep(PlannedStage(layer: $0.layer, studentRatios: 0...0, gap: 0)) }
    func sights(_ ratio: (Stage) -> Double) -> [DrawnSight] {
      stages.map { DrawnSight(layer: $0.layer, ratio($0) == 0 ? nil : .ratio(ratio($0))) }
    }
    guard let plan else { throw DistillationError.stageCount(stages: 0, samples: samples.count) }
    let drawn = DrawnStep(plan: plan, students: [sights(\.studentRatio)], teacher: sights(\.teacherRatio))
    return try self(samples, drawn, tokens: tokens)
  }

  /// The loss of a batch with the branches of a curriculum.
  ///
  /// - Parameters:
  ///   - step: for each branch one sight for all samples or one for each.
  ///   - frozen: the model that training began with, for steps whose teacher it is.
  ///   - tokens: as above.
  /// - Throws: as above.
  public func callAsFunction(
    _ samples: [TrainingSample], _ step: DrawnStep, frozen: LLaVAModel? = nil, tokens: Int? = nil
  ) throws -> DistillationLoss {
    let students = try zip(step.plan.branches, step.students).map { branch, sights in
      let weight = branch.pulls.isEmpty ? 0 : branch.divergenceWeight ?? options.divergenceWeight
      // Without weight a teacher is not computed; other students are there anyway, and their distance is measured.
      let pulls = branch.pulls.map { Pull(towards: $0.target, weight: $0.weight * branch.share * weight) }
      return Student(
        plans: try sights.map(plan), crossEntropyWeight: branch.share * (1 - weight),
        pulls: pulls.filter { $0.weight != 0 || $0.target != .teacher })
    }
    let isAsked = students.contains { $0.pulls.contains { $0.target == .teacher } }
    if isAsked, step.plan.teacher == .frozen, frozen == nil {
      throw DistillationError.option(name: "teacher", value: "frozen", expected: "a frozen model beside the step")
    }
    let teacher =
      try isAsked && !step.teacher.isEmpty
      ? Teacher(plans: step.teacher.map(plan), model: step.plan.teacher == .frozen ? frozen : nil) : nil
    return try self(samples, students: students, teacher: teacher, tokens: tokens)
  }

  /// The compressor where and as far as a sight says; nil where all tokens stay, whatever a compressor's formula makes of ratio 0.
  private func plan(_ sight: DrawnSight) throws -> CompressionPlan? {
    let all = model.configuration.text.layers
    guard (1...all).contains(sight.layer) else { throw CompressionError.layer(sight.layer, allowed: 1...all) }
    guard var amount = sight.amount else { return nil }
    if case .ratio(let ratio) = amount, options.counts == .exact, (0...1).contains(ratio) { amount = .share(1 - ratio) }
    let site = reducer.sites.first == .decoder ? Site.decoder(layer: sight.layer) : base.site
    return try CompressionPlan(stages: [base.with(site, amount)])
  }

  /// The loss of a batch with any number of students, all from one trunk.
  ///
  /// loss = Σ over students of `crossEntropyWeight` · CE + Σ over its pulls of `weight` · divergence, τ² where the options say so. Targets
  /// are taken as they are: no gradient flows into one.
  ///
  /// - Parameters:
  ///   - students: each with its plans; their cuts may be at different layers. Plans without stages keep all tokens.
  ///   - teacher: what pulls towards `.teacher` are taken from; nil for none.
  ///   - tokens: as above.
  /// - Throws: as above.
  public func callAsFunction(
    _ samples: [TrainingSample], students: [Student], teacher: Teacher? = nil, tokens: Int? = nil
  ) throws -> DistillationLoss {
    if students.isEmpty { throw DistillationError.noStudent }
    for (place, student) in students.enumerated() {
      try student.validate(at: place, of: students.count, hasTeacher: teacher != nil)
    }
    if let other = teacher?.model { try model.requireComparable(other) }
    let ways = try StepBranches(self, samples, students, teacher)
    let loss = SupervisedTokens(samples, ways.layouts).lossRows(
      ways.views.map(\.counts), options.divergencePositions)
    if loss.targets.isEmpty { throw DistillationError.nothingSupervised(samples: samples.count) }
    return try compare(ways.run(loss), students, teacher?.model ?? model, loss, tokens, ways.shape(loss))
  }

  private func compare(
    _ rows: StepRows, _ students: [Student], _ teaching: LLaVAModel, _ loss: LossRows, _ tokens: Int?, _ shape: StepShape
  ) throws -> DistillationLoss {
    let teacher = students.count
    let all = rows.samples(of: 0)
    // Samples of which a student and its target see something else.
    let differing = try students.enumerated().map { place, student in
      try student.pulls.map { pull in
        try Set(
          all.filter { sample in
            switch pull.target {
            case .teacher: try rows.differ(place, teacher, sample)
            case .student(let other): try rows.differ(place, other, sample)
            case .mean: try students.indices.contains { try rows.differ(place, $0, sample) }
            }
          })
      }
    }
    func samples(_ includes: (Pull.Target) -> Bool) -> Set<Int> {
      zip(students, differing).reduce(into: []) { found, student in
        for (pull, samples) in zip(student.0.pulls, student.1) where includes(pull.target) { found.formUnion(samples) }
      }
    }
    // What the teacher is asked about comes first, then what is compared otherwise.
    let (taught, compared) = (samples { $0 == .teacher }, samples { _ in true })
    let order =
      all.filter(taught.contains) + all.filter { compared.contains($0) && !taught.contains($0) }
      + all.filter { !compared.contains($0) }
    let numbers = order.flatMap { loss.rows(of: $0) }
    try model.gathered?.need(.head)
    if !taught.isEmpty { try teaching.gathered?.need(.head) }
    let (supervised, positions) = (loss.targets.count { $0 != ignoredLabel }, loss.diverges.count { $0 })
    let output = try ConsistencyLoss.Output(model)
    var consistency = ConsistencyLoss(
      options: options, output: output, targets: numbers.map { loss.targets[$0] },
      crossEntropyCount: tokens ?? supervised, divergenceCount: tokens ?? positions)
    if !taught.isEmpty {
      consistency.teacher = (
        try rows.hidden(of: teacher, all.filter(taught.contains)).detached(), try .init(teaching, sharing: (model, output))
      )
    }
    for (place, student) in students.enumerated() {
      consistency.views.append(
        ConsistencyLoss.View(
          hidden: try rows.hidden(of: place, order), crossEntropyWeight: student.crossEntropyWeight,
          recordsGradients: student.recordsGradients,
          pulls: zip(student.pulls, differing[place]).map { pull, samples in
            .init(
              source: pull.target, weight: pull.weight,
              compares: numbers.map { loss.diverges[$0] && samples.contains(loss.samples[$0]) })
          }))
    }
    return try consistency(
      supervisedTokens: supervised, divergencePositions: positions, teacherSamples: compared.count, shape: shape,
      checks: rows.checks)
  }
}
