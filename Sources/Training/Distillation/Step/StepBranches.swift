import Compression
import LLaVA
import Language
import Torch

/// The branches of a step: every sample once for each student, and for the teacher where it sees something else.
struct StepBranches {
  /// A way to see all samples.
  struct View {
    /// True for the teacher's.
    let isTeacher: Bool
    /// What computes it, where that is not the model that is trained.
    let frozen: LLaVAModel?
    /// One plan for each sample.
    let plans: [CompressionPlan?]
    /// Random numbers of each sample; the encoder's and the decoder's choices draw from them one after the other.
    let generators: [Generator]
    let recordsGradients: Bool
    /// The decoder's stages of each sample, in numbers, and tokens that are left of each image in the end.
    var stages: [[CompressionPlan.ResolvedStage]] = []
    var counts: [[Int]] = []
    /// The samples that it sees, ascending.
    var samples: [Int]
  }

  /// Rows at a decoder's input, and the views that start from them.
  struct Trunk {
    var views: [Int]
    /// The samples that some of the views see, ascending.
    var samples: [Int]
  }

  let step: DistillationStep
  let samples: [TrainingSample]
  /// The tokens of each sample's pictures before any is dropped.
  let layouts: [[TokenLayout]]
  /// Students, then the teacher, where there is one.
  private(set) var views: [View] = []
  private(set) var trunks: [Trunk] = []

  init(_ step: DistillationStep, _ samples: [TrainingSample], _ students: [Student], _ teacher: Teacher?) throws {
    (self.step, self.samples) = (step, samples)
    layouts = samples.map { step.model.layouts(of: $0.pictures) }
    for (index, student) in students.enumerated() {
      let plans = try Self.spread(student.plans, over: samples.count)
      try add(plans, student.recordsGradients, draws: 2 * UInt64(index))
    }
    let taught = students.indices.filter { index in students[index].pulls.contains { $0.target == .teacher } }
    if let teacher, !taught.isEmpty {
      let plans = try Self.spread(teacher.plans, over: samples.count)
      try add(plans, false, draws: 1, isTeacher: true, frozen: teacher.model)
      // Where every student sees the same without having to choose, the teacher is the student.
      let place = students.count
      views[place].samples = samples.indices.filter { sample in
        teacher.model != nil || taught.contains { !(views[$0].isWhole(sample) && views[place].isWhole(sample)) }
      }
      if views[place].samples.isEmpty { views.removeLast() }
    }
    shareTrunks()
  }

  private static func spread(_ plans: [CompressionPlan?], over count: Int) throws -> [CompressionPlan?] {
    if plans.count == 1 { return Array(repeating: plans[0], count: count) }
    if plans.count == count { return plans }
    throw DistillationError.planCount(plans: plans.count, samples: count)
  }

  private mutating func add(
    _ plans: [CompressionPlan?], _ recordsGradients: Bool, draws number: UInt64, isTeacher: Bool = false,
    frozen: LLaVAModel? = nil
  ) throws {
    // Another stream for each view, or the same from its beginning.
    let stream = step.options.draws == .nested ? 0 : number
    let generators = try samples.map { try Generator(seed: $0.seed ^ (stream &* 0x9e37_79b9_7f4a_7c15)) }
    var view = View(
      isTeacher: isTeacher, frozen: frozen, plans: plans, generators: generators, recordsGradients: recordsGradients,
      samples: Array(samples.indices))
    let layers = step.model.configuration.text.layers
    for (plan, layouts) in zip(plans, layouts) {
      // Behind the last layer there is nothing to drop tokens for.
      let stages = try step.model.resolve(plan, [layouts]).filter { ($0.layer ?? 0) < layers }
      view.counts.append(stages.last?.counts[0] ?? layouts.map(\.counted))
      view.stages.append(stages)
    }
    views.append(view)
  }

  /// Views that lose nothing before the decoder start from the same rows, others from rows of their own.
  private mutating func shareTrunks() {
    for index in views.indices {
      let view = views[index]
      let place = trunks.firstIndex { trunk in
        view.isPlain && trunk.views.contains { views[$0].isPlain && (views[$0].frozen == nil) == (view.frozen == nil) }
      }
      if let place {
        trunks[place].views.append(index)
        trunks[place].samples = Set(trunks[place].samples).union(view.samples).sorted()
      } else {
        trunks.append(Trunk(views: [index], samples: view.samples))
      }
    }
  }

  // MARK: - Running

  /// Runs all branches; a frozen teacher's first, so that its rows are gone before the students' activations lie in memory.
  func run(_ loss: LossRows) throws -> StepRows {
    var found = StepRows()
    var pictures: [[VisualSegment]]?
    let own = trunks.filter { views[$0.views[0]].frozen == nil }
    let gathered = step.model.gathered
    try gathered?.begin(
      WeightPass(
        departures: BranchingDecoder.departures(branches(of: own).branches, layers: step.model.configuration.text.layers),
        asksFrozen: own.count < trunks.count, readsText: views.flatMap(\.plans).contains { $0?.needs.text ?? false },
        recordsGradients: recordsGradients))
    try gathered?.need(.encoder)
    let encoded = try own.map { trunk in
      let rows = try encode(trunk, step.model)
      if views[trunk.views[0]].isPlain { pictures = rows }
      return rows
    }
    for trunk in trunks {
      let view = views[trunk.views[0]]
      guard let model = view.frozen else { continue }
      try withoutGradient {
        let isShared = view.isPlain && model.sharesEncoder(with: step.model)
        let shared = isShared ? pictures.map { all in trunk.samples.map { all[$0] } } : nil
        if shared == nil { try model.gathered?.need(.encoder) }
        let rows = try shared ?? encode(trunk, model)
        try model.gathered?.need(.embeddings)
        let batch = try splice(trunk, rows, model)
        try found.add(run(model, [trunk], batch, loss))
      }
    }
    try gathered?.need(.embeddings)
    var batch = try PackedBatch.joined(zip(own, encoded).map { try splice($0, $1, step.model) })
    if let gathered {
      // Before the backward pass goes on into the encoder.
      batch.hidden = try withGradient(of: [batch.hidden], for: [batch.hidden]) { seeds in
        try gathered.need(.encoderGradient)
        return seeds
      }[0]
    }
    try found.add(run(step.model, own, batch, loss))
    return found
  }

  private func run(
    _ model: LLaVAModel, _ trunks: [Trunk], _ batch: PackedBatch, _ loss: LossRows
  ) throws -> (BranchedRows, [StepRows.Origin]) {
    let (branches, origins) = branches(of: trunks)
    let samples = trunks.flatMap(\.samples)
    var none: [KeyValueCache]?
    let found = try BranchingDecoder.run(
      model.decoder, batch, caches: &none, branches, recomputes: step.options.recomputesActivations
    ) { place, now, _ in loss.ranges(of: samples[place], now.map(\.span)) }
    return (found, origins)
  }

  /// A trunk's pictures behind tower and projector.
  private func encode(_ trunk: Trunk, _ model: LLaVAModel) throws -> [[VisualSegment]] {
    let first = views[trunk.views[0]]
    let requests = try trunk.samples.map { index in
      let sample = samples[index]
      // What was known when the pictures were first asked about, as in inference.
      let lastPicture = sample.ids.lastIndex(of: imagePlaceholderID) ?? 0
      let answer = sample.labels.indices.first { $0 > lastPicture && sample.labels[$0] != ignoredLabel }
      let plans = trunk.views.compactMap { views[$0].plans[index] }
      return PictureRequest(
        ids: Array(sample.ids[..<(answer ?? sample.ids.count)]), pictures: sample.pictures, plan: first.plans[index],
        needs: plans.reduce(ReducerNeeds()) { $0.union($1.needs) }, generator: first.generators[index])
    }
    let records = trunk.views.contains { views[$0].recordsGradients }
    return try records ? model.encode(requests) : withoutGradient { try model.encode(requests) }
  }

  private func splice(_ trunk: Trunk, _ pictures: [[VisualSegment]], _ model: LLaVAModel) throws -> PackedBatch {
    func join() throws -> PackedBatch {
      try model.splice(trunk.samples.map { samples[$0].ids }, pictures, labels: trunk.samples.map { samples[$0].labels })
    }
    return try trunk.views.contains { views[$0].recordsGradients } ? join() : withoutGradient(join)
  }

  /// The branches of some trunks, view after view, each sample that a view sees once.
  private func branches(of trunks: [Trunk]) -> (branches: [Branch], origins: [StepRows.Origin]) {
    var (branches, origins) = ([Branch](), [StepRows.Origin]())
    var starts: [Int: (first: Int, samples: [Int])] = [:]
    var first = 0
    for trunk in trunks {
      for view in trunk.views { starts[view] = (first, trunk.samples) }
      first += trunk.samples.count
    }
    for (index, view) in views.enumerated() {
      guard let start = starts[index] else { continue }
      for (place, sample) in start.samples.enumerated() where view.samples.contains(sample) {
        var branch = Branch(sample: start.first + place, generator: view.generators[sample])
        branch.stages = view.stages[sample].compactMap { found in
          found.layer.map { Branch.Stage(layer: $0, (found.stage, found.counts[0])) }
        }
        branch.recordsGradients = view.recordsGradients
        branches.append(branch)
        origins.append(.init(view: index, sample: sample))
      }
    }
    return (branches, origins)
  }
}

extension StepBranches.View {
  /// True where nothing is dropped of a sample.
  fileprivate func isWhole(_ sample: Int) -> Bool { stages[sample].isEmpty }

  /// True where nothing is dropped before the decoder.
  var isPlain: Bool { !stages.joined().contains { $0.layer == nil } }
}
