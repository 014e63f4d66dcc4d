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
    /// ‖(1 − λ) · ∂CE/∂h‖, a float32 scalar.
    public let crossEntropy: Tensor
    /// ‖λ · ∂KL/∂h‖, a float32 scalar.
    public let divergence: Tensor
  }

  /// The terms of one student.
  public struct Terms: Sendable {
    /// Sum over supervised tokens of -log p, a float32 scalar; divide by `supervisedTokens` for the mean.
    public let crossEntropySum: Tensor
    /// Sum over positions of KL(teacher ‖ student), without τ², a float32 scalar; divide by `divergencePositions` for the mean.
    public let divergenceSum: Tensor
  }

  /// The loss, a float32 scalar; its `backward()` adds to the gradients of all weights that require them.
  public let total: Tensor
  /// The terms of each student, not weighted.
  public let students: [Terms]
  /// Tokens that the cross entropy of a student is over.
  public let supervisedTokens: Int
  /// Positions that the divergence of a student is over, those of samples without a teacher's work included.
  public let divergencePositions: Int
  /// Samples that a student was compared with the teacher on: the others' student keeps the same tokens, so that their divergence is 0.
  public let teacherSamples: Int
  /// Where asked for.
  public let gradientNorms: GradientNorms?
  /// What could not be checked while a GPU was at work.
  let checks: [ChoiceCheck]

  /// Whether strategies kept their promises; waits for a GPU, and costs nothing on the CPU.
  ///
  /// - Throws: `CompressionError.badSelection`.
  public func validate() throws { for check in checks { try check.validate() } }

  /// Mean cross entropy of a student; waits for the device.
  public func crossEntropy(of student: Int = 0) throws -> Double {
    try students[student].crossEntropySum.item() / Double(max(1, supervisedTokens))
  }
  /// Mean divergence of a student without τ²; waits for the device.
  public func divergence(of student: Int = 0) throws -> Double {
    try students[student].divergenceSum.item() / Double(max(1, divergencePositions))
  }
}
