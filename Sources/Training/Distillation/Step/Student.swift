import Compression
import LLaVA

/// One of the branches of a step that learn: what it sees, and what its terms weigh.
public struct Student: Sendable {
  /// What it sees of each sample: one plan for each, or one for all; nil keeps all tokens.
  public var plans: [CompressionPlan?]
  /// Weight of its cross entropy, a mean over supervised tokens.
  public var crossEntropyWeight: Double
  /// What it is pulled towards; nothing for a student that learns from labels alone.
  public var pulls: [Pull]
  /// False computes its terms without gradients, to watch a budget that is not trained.
  public var recordsGradients = true

  /// A student of its parts.
  public init(plans: [CompressionPlan?], crossEntropyWeight: Double, pulls: [Pull] = []) {
    self.plans = plans
    self.crossEntropyWeight = crossEntropyWeight
    self.pulls = pulls
  }

  /// A student that the step's teacher pulls; with weight 0 it has none.
  public init(plans: [CompressionPlan?], crossEntropyWeight: Double, divergenceWeight: Double) {
    self.init(
      plans: plans, crossEntropyWeight: crossEntropyWeight,
      pulls: divergenceWeight == 0 ? [] : [Pull(towards: .teacher, weight: divergenceWeight)])
  }
}

/// One target of a student, and how strongly it pulls.
public struct Pull: Sendable, Hashable {
  /// Where the target distribution comes from.
  ///
  /// No gradient flows into it, so two students that are each other's targets teach each other and do not give way.
  public enum Target: Sendable, Hashable {
    /// The step's teacher.
    case teacher
    /// Another student of the step, by its place in the list: no further pass through the decoder.
    case student(Int)
    /// The mean distribution of all students of the step.
    case mean
  }

  /// What the student is compared with.
  public var target: Target
  /// Weight of the divergence, a mean over positions; with 0 it is measured and teaches nothing.
  public var weight: Double

  /// A pull of its parts.
  public init(towards target: Target, weight: Double) {
    self.target = target
    self.weight = weight
  }
}

/// A branch that students are pulled towards and that learns nothing itself.
public struct Teacher: Sendable {
  /// One plan for each sample, or one for all; nil keeps all tokens.
  public var plans: [CompressionPlan?]
  /// A model of the same vocabulary and pictures that does not change; nil for the weights that are trained, as they are.
  public var model: LLaVAModel?

  /// A teacher with its plans.
  public init(plans: [CompressionPlan?], model: LLaVAModel? = nil) {
    self.plans = plans
    self.model = model
  }
}

extension Student {
  /// Throws where weights or targets make no sense in a step of so many students.
  ///
  /// - Throws: `DistillationError.option`.
  func validate(at place: Int, of students: Int, hasTeacher: Bool) throws {
    func refuse(_ name: String, _ value: Any, _ expected: String) -> DistillationError {
      .option(name: name, value: "\(value)", expected: expected)
    }
    if !(crossEntropyWeight >= 0 && crossEntropyWeight.isFinite) {
      throw refuse("cross-entropy weight", crossEntropyWeight, "0 or more")
    }
    for pull in pulls {
      if !(pull.weight >= 0 && pull.weight.isFinite) { throw refuse("divergence weight", pull.weight, "0 or more") }
      switch pull.target {
      case .teacher:
        if !hasTeacher { throw refuse("divergence weight", pull.weight, "no pull towards a teacher, as there is none") }
      case .student(let other):
        if other == place || !(0..<students).contains(other) {
          throw refuse("target of student \(place)", "student \(other)", "another one of the step's \(students)")
        }
      case .mean:
        if students < 2 { throw refuse("target of student \(place)", "the mean", "two students or more") }
      }
    }
  }
}
