import Compression

/// What a step computes, in numbers: enough to count its work.
public struct StepShape: Sendable {
  /// A sample's way through the decoder, for one student or the teacher.
  public struct Way: Sendable {
    /// The student's place; the number of students for the teacher.
    public var view: Int
    /// Ways of one trunk share all layers before the first cut of either.
    public var trunk: Int
    /// The plan, nil for all tokens; of trunks, that of the first way says what is left before the decoder.
    public var plan: CompressionPlan?
    /// True for the first way of a trunk whose pictures are encoded for it, not taken from another one.
    public var encodes: Bool
    /// Whether a backward pass goes through it.
    public var recordsGradients: Bool
    /// Visual rows at the decoder's input, and behind each cut: decoder layers before it, and rows that are left.
    public var visual: Int, cuts: [(layer: Int, visual: Int)]
    /// Tokens that are left of each image in the end.
    public var kept: [Int]
  }

  /// A sample of the batch.
  public struct Sample: Sendable {
    /// Text tokens, and images.
    public var text: Int, images: Int
    /// Rows whose logits the loss looks at.
    public var lossRows: Int
    /// Those of students, then the teacher's where the sample needs one.
    public var ways: [Way]
  }

  /// In the order of the batch.
  public var samples: [Sample]
  /// Students of the step.
  public var students: Int
}

extension StepBranches {
  /// What the branches compute.
  func shape(_ loss: LossRows) -> StepShape {
    let lossRows = loss.samples.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
    let plain = trunks.firstIndex { views[$0.views[0]].frozen == nil && views[$0.views[0]].isPlain }
    let found = samples.indices.map { sample in
      let layouts = layouts[sample]
      var ways: [StepShape.Way] = []
      for (place, trunk) in trunks.enumerated() {
        for view in trunk.views where views[view].samples.contains(sample) {
          let own = views[view]
          let isShared = plain.map { $0 != place } ?? false && own.isPlain && own.frozen?.sharesEncoder(with: step.model) ?? false
          let before = own.stages[sample].last { $0.layer == nil }
          ways.append(
            StepShape.Way(
              view: view, trunk: place, plan: own.plans[sample],
              encodes: !isShared && !ways.contains { $0.trunk == place }, recordsGradients: own.recordsGradients,
              visual: layouts.most(keeping: before?.counts[0] ?? layouts.map(\.counted)),
              cuts: own.stages[sample].compactMap { stage in stage.layer.map { ($0, layouts.most(keeping: stage.counts[0])) } },
              kept: own.counts[sample]))
        }
      }
      return StepShape.Sample(
        text: samples[sample].ids.count - layouts.count, images: layouts.count, lossRows: lossRows[sample] ?? 0, ways: ways)
    }
    return StepShape(samples: found, students: views.count { !$0.isTeacher })
  }
}
