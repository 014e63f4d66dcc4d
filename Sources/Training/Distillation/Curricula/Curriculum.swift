/// Says, for a moment of training, which branches a step has: how many visual tokens each keeps, where the others are dropped, and what
/// pulls it.
public protocol Curriculum: Sendable {
  /// Number of layers of the decoder (L in the paper).
  var layers: Int { get }

  /// The branches of the step that follows `step` of `steps` completed ones, before anything is drawn.
  func branches(step: Int, of steps: Int) -> PlannedStep

  /// What it remembers of the steps that were made; nil for a curriculum that follows from the moment alone.
  ///
  /// Part of a checkpoint: a curriculum of the same options that is given it goes on as if nothing had been between.
  var state: CurriculumState? { get set }

  /// Is told how far each branch of a step was from what it is compared with.
  mutating func observe(_ found: [ObservedBranch], step: Int)
}

extension Curriculum {
  /// Nothing is remembered.
  public var state: CurriculumState? {
    get { nil }
    set {}
  }

  /// Nothing is learned from what happens.
  public mutating func observe(_ found: [ObservedBranch], step: Int) {}
}

/// The mean divergence of a sample's branch.
public struct ObservedBranch: Sendable, Equatable, Codable {
  /// Decoder layers before the cut.
  public var layer: Int
  /// Visual tokens of a picture that it kept.
  public var tokens: Int
  /// In nats per position, from its first target.
  public var divergence: Double

  /// An observation.
  public init(layer: Int, tokens: Int, divergence: Double) {
    (self.layer, self.tokens, self.divergence) = (layer, tokens, divergence)
  }
}

/// A curriculum of one student and one teacher, whose ratios and layer follow from the progress of training.
///
/// Progress is the fraction of optimizer steps that are done, 0...1; values outside count as the nearer end.
public protocol StagedCurriculum: Curriculum {
  /// The plan at a moment, without randomness.
  func plan(at progress: Double) -> PlannedStage
}

extension StagedCurriculum {
  /// One student and its teacher.
  public func branches(step: Int, of steps: Int) -> PlannedStep { PlannedStep(plan(step: step, of: steps)) }

  /// The plan at a moment with its ratios drawn.
  public func stage(at progress: Double, using generator: inout some RandomNumberGenerator) -> Stage {
    plan(at: progress).draw(using: &generator)
  }

  /// The plan after `step` of `steps` optimizer steps; progress is min(step / steps, 1), and 0 where there are no steps.
  public func plan(step: Int, of steps: Int) -> PlannedStage { plan(at: progress(step, of: steps)) }

  /// Expected ratios of student and teacher over a whole training of `steps` steps.
  public func meanRatios(over steps: Int) -> (student: Double, teacher: Double) {
    guard steps > 0 else { return (plan(at: 0).meanStudentRatio, plan(at: 0).meanTeacherRatio) }
    var (student, teacher) = (0.0, 0.0)
    for step in 0..<steps {
      let planned = plan(step: step, of: steps)
      student += planned.meanStudentRatio
      teacher += planned.meanTeacherRatio
    }
    return (student / Double(steps), teacher / Double(steps))
  }
}

/// min(step / steps, 1), and 0 where there are no steps.
func progress(_ step: Int, of steps: Int) -> Double { steps > 0 ? min(Double(step) / Double(steps), 1) : 0 }
