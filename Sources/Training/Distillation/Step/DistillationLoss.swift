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

  /// The loss, a float32 scalar; its `backward()` adds to the gradients of all weights that require them.
  public let total: Tensor
  /// Sum over supervised tokens of -log p, a float32 scalar; divide by `supervisedTokens` for the mean.
  public let crossEntropySum: Tensor
  /// Sum over positions of KL(teacher ‖ student), without τ², a float32 scalar; divide by `divergencePositions` for the mean.
  public let divergenceSum: Tensor
  /// Tokens that the cross entropy is over.
  public let supervisedTokens: Int
  /// Positions that the divergence is over, those of samples without a teacher's work included.
  public let divergencePositions: Int
  /// Samples whose teacher was computed: the others' student keeps the same tokens, so that their divergence is 0.
  public let teacherSamples: Int
  /// Where asked for.
  public let gradientNorms: GradientNorms?

  /// Mean cross entropy; waits for the device.
  public func crossEntropy() throws -> Double { try crossEntropySum.item() / Double(max(1, supervisedTokens)) }
  /// Mean divergence without τ²; waits for the device.
  public func divergence() throws -> Double { try divergenceSum.item() / Double(max(1, divergencePositions)) }
}
