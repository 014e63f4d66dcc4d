import Compression
import Torch

/// What a training step came to.
///
/// Numbers stay on the model's device until they are read, so that nothing waits for them that does not need them.
public struct DistillationLoss: Sendable {
  /// How strongly the two terms pull, as weighted in the loss.
  ///
  /// Norms of the gradients with respect to the student's final hidden states, after the last norm, at the rows of the loss: where both
  /// terms still are apart. All gradients below follow from these linearly. Over several batches, the root of the sum of squares.
  public struct GradientNorms: Sendable {
    /// ‖Σ weight · ∂CE/∂h‖, a float32 scalar.
    public let crossEntropy: Tensor
    /// ‖Σ weight · ∂divergence/∂h‖, a float32 scalar.
    public let divergence: Tensor
  }

  /// The terms of one student.
  public struct Terms: Sendable {
    /// Sum over supervised tokens of -log p, a float32 scalar; divide by `supervisedTokens` for the mean.
    public internal(set) var crossEntropySum: Tensor
    /// For each of the student's pulls the sum over positions of its divergence, without τ², a float32 scalar; divide by
    /// `divergencePositions` for the mean.
    public internal(set) var divergenceSums: [Tensor]
  }

  /// The loss, a float32 scalar; its `backward()` adds to the gradients of all weights that require them.
  public let total: Tensor
  /// The terms of each student, not weighted.
  public let students: [Terms]
  /// Tokens that the cross entropy of a student is over.
  public let supervisedTokens: Int
  /// Positions that the divergence of a student is over, those of samples without a teacher's work included.
  public let divergencePositions: Int
  /// Samples on which a student was compared with a target: of the others both keep the same tokens, so that the divergence is 0.
  public let teacherSamples: Int
  /// Where asked for.
  public let gradientNorms: GradientNorms?
  /// What was computed, in numbers.
  public let shape: StepShape
  /// What could not be checked while a GPU was at work.
  let checks: [ChoiceCheck]

  /// Whether compressors kept their promises; waits for a GPU, and costs nothing on the CPU.
  ///
  /// - Throws: `CompressionError.badSelection`.
  public func validate() throws { for check in checks { try check.validate() } }

  /// Mean cross entropy of a student; waits for the device.
  public func crossEntropy(of student: Int = 0) throws -> Double {
    try students[student].crossEntropySum.item() / Double(max(1, supervisedTokens))
  }
  /// Mean divergence of a student from one of its targets, without τ².
  ///
  /// 0 without that target; waits for the device.
  public func divergence(of student: Int = 0, pull: Int = 0) throws -> Double {
    let sums = students[student].divergenceSums
    return sums.indices.contains(pull) ? try sums[pull].item() / Double(max(1, divergencePositions)) : 0
  }
}
