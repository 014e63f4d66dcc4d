import Compression
import LLaVA
import Language
import Torch

/// The branches of a step: every sample once for each student, and for the teacher where it sees something else.
struct StepBranches {
  /// A way to see all samples.
  struct View {
    /// One plan for each sample.
    let plans: [CompressionPlan?]
    /// Random numbers of each sample; the encoder's and the decoder's choices draw from them one after the other.
    let generators: [Generator]
    let recordsGradients: Bool
    /// The decoder's stages of each sample, in numbers, and tokens that are left of each image in the end.
    var stages: [[CompressionPlan.ResolvedStage]] = []
    var counts: [[Int]] = []
    /// True for samples that the view does without.
    var leavesOut: [Bool]
    /// Which of the trunks it starts from.
    var trunk = 0
  }

  let step: DistillationStep
  let samples: [TrainingSample]
  /// Students, then the teacher, where there is one.
  private(set) var views: [View] = []
  private let students: Int
  /// The views that each trunk serves.
  private var trunks: [[Int]] = []

  init(_ step: DistillationStep, _ samples: [TrainingSample], _ students: [Student], _ teacher: Teacher?) throws {
    (self.step, self.samples, self.students) = (step, samples, students.count)
    for (index, student) in students.enumerated() {
      let plans = try Self.spread(student.plans, over: samples.count)
      try add(plans, student.recordsGradients, draws: step.options.draws == .nested ? 0 : 2 * UInt64(index))
    }
    if let teacher {
      let plans = try Self.spread(teacher.plans, over: samples.count)
      try add(plans, false, draws: step.options.draws == .nested ? 0 : 1)
      // Where every student sees the same without having to choose, the teacher is the student.
      for sample in samples.indices {
        let needs = students.indices.contains { index in
          students[index].divergenceWeight != 0 && !(views[index].isWhole(sample) && views[students.count].isWhole(sample))
        }
        views[students.count].leavesOut[sample] = !needs
      }
      if views[students.count].leavesOut.allSatisfy(\.self) { views.removeLast() }
    }
    shareTrunks()
  }

  private static func spread(_ plans: [CompressionPlan?], over count: Int) throws -> [CompressionPlan?] {
    if plans.count == 1 { return Array(repeating: plans[0], count: count) }
    if plans.count == count { return plans }
    throw DistillationError.planCount(plans: plans.count, samples: count)
  }

  private mutating func add(_ plans: [CompressionPlan?], _ recordsGradients: Bool, draws stream: UInt64) throws {
    // Another stream for each view, or the same from its beginning.
    let generators = try samples.map { try Generator(seed: $0.seed ^ (stream &* 0x9e37_79b9_7f4a_7c15)) }
    var view = View(
      plans: plans, generators: generators, recordsGradients: recordsGradients, leavesOut: samples.map { _ in false })
    let layers = step.model.configuration.text.layers
    for (plan, sample) in zip(plans, samples) {
      // Behind the last layer there is nothing to drop tokens for.
      let stages = try step.model.resolve(plan, images: [sample.images.count]).filter { ($0.layer ?? 0) < layers }
      view.counts.append(stages.last?.counts[0] ?? sample.images.map { _ in step.model.pictureLayout.count })
      view.stages.append(stages)
    }
    views.append(view)
  }

  /// Views that lose nothing before the decoder start from the same rows, others from rows of their own.
  private mutating func shareTrunks() {
    for index in views.indices {
      let isPlain = !views[index].stages.joined().contains { $0.layer == nil }
      if isPlain, let place = trunks.firstIndex(where: { $0.contains { views[$0].isPlain } }) {
        views[index].trunk = place
        trunks[place].append(index)
      } else {
        views[index].trunk = trunks.count
        trunks.append([index])
      }
    }
  }

  /// The branches' samples at the decoder's input: tower, projector and splice, once for each trunk.
  func trunk() throws -> PackedBatch {
    try PackedBatch.joined(
      trunks.map { members in
        func encode() throws -> PackedBatch { try splice(views[members[0]]) }
        return try members.contains { views[$0].recordsGradients } ? encode() : withoutGradient(encode)
      })
  }

  private func splice(_ view: View) throws -> PackedBatch {
    let requests = try samples.indices.map { index in
      let sample = samples[index]
      let prompt = zip(sample.ids, sample.labels).filter { $0.1 == ignoredLabel }.map(\.0)
      return PictureRequest(
        ids: prompt, pixels: sample.images.isEmpty ? nil : try stack(sample.images), plan: view.plans[index],
        generator: view.generators[index])
    }
    return try step.model.splice(samples.map(\.ids), step.model.encode(requests), labels: samples.map(\.labels))
  }

  /// The branches, view after view, each sample that a view sees once.
  func branches() -> (branches: [Branch], views: [(view: Int, sample: Int)]) {
    var (branches, origins) = ([Branch](), [(view: Int, sample: Int)]())
    for (index, view) in views.enumerated() {
      for sample in samples.indices where !view.leavesOut[sample] {
        var branch = Branch(sample: view.trunk * samples.count + sample, generator: view.generators[sample])
        branch.stages = view.stages[sample].compactMap { found in
          found.layer.map { Branch.Stage(layer: $0, (found.stage, found.counts[0])) }
        }
        branch.recordsGradients = view.recordsGradients
        branches.append(branch)
        origins.append((index, sample))
      }
    }
    return (branches, origins)
  }

  /// True for the teacher's view.
  func isTeacher(_ view: Int) -> Bool { view == students }
}

extension StepBranches.View {
  /// True where nothing is dropped of a sample.
  func isWhole(_ sample: Int) -> Bool { stages[sample].isEmpty }

  /// True where nothing is dropped before the decoder.
  fileprivate var isPlain: Bool { !stages.joined().contains { $0.layer == nil } }
}
