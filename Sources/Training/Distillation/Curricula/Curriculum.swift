/// Says, for a moment of training, where visual tokens are dropped and how many.
///
/// Progress is the fraction of optimizer steps that are done, 0...1; values outside count as the nearer end.
public protocol Curriculum: Sendable {
  /// Number of layers of the decoder (L in the paper).
  var layers: Int { get }
  /// The plan at a moment, without randomness.
  func plan(at progress: Double) -> PlannedStage
}

extension Curriculum {
  /// The plan at a moment with its ratios drawn.
  public func stage(at progress: Double, using generator: inout some RandomNumberGenerator) -> Stage {
    plan(at: progress).draw(using: &generator)
  }

  /// The plan after `step` of `steps` optimizer steps; progress is min(step / steps, 1), and 0 where there are no steps.
  public func plan(step: Int, of steps: Int) -> PlannedStage {
    plan(at: steps > 0 ? min(Double(step) / Double(steps), 1) : 0)
  }

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
