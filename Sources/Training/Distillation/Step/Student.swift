import Compression

/// One of the branches of a step that learn: what it sees, and what its terms weigh.
public struct Student: Sendable {
  /// What it sees of each sample: one plan for each, or one for all; nil keeps all tokens.
  public var plans: [CompressionPlan?]
  /// Weight of its cross entropy, a mean over supervised tokens.
  public var crossEntropyWeight: Double
  /// Weight of its divergence from the teacher, a mean over positions; 0 without a teacher.
  public var divergenceWeight: Double
  /// False computes its terms without gradients, to watch a budget that is not trained.
  public var recordsGradients = true

  /// A student of its parts.
  public init(plans: [CompressionPlan?], crossEntropyWeight: Double, divergenceWeight: Double) {
    self.plans = plans
    self.crossEntropyWeight = crossEntropyWeight
    self.divergenceWeight = divergenceWeight
  }
}

/// What the branch sees that the students are pulled towards; computed without gradients.
public struct Teacher: Sendable {
  /// One plan for each sample, or one for all; nil keeps all tokens.
  public var plans: [CompressionPlan?]

  /// A teacher with its plans.
  public init(plans: [CompressionPlan?]) { self.plans = plans }
}
