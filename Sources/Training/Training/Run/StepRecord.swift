/// What one optimizer step came to; a line of `metrics.jsonl`.
public struct StepRecord: Sendable, Equatable, Codable {
  /// Completed optimizer steps, this one included.
  public var step: Int
  /// Times through the data so far.
  public var epoch: Double
  /// The loss; both terms' means over supervised tokens, unweighted, and without τ².
  public var loss, crossEntropy, divergence: Double
  /// Global 2-norm of the gradients before clipping.
  public var gradientNorm: Double
  /// Norms of the two weighted terms' gradients with respect to the last hidden states; absent unless asked for.
  public var crossEntropyGradientNorm, divergenceGradientNorm: Double?
  /// Rate of the decoder, or else of the first part that is trained.
  public var learningRate: Double
  /// Decoder layers before the cut.
  public var layer: Int
  /// Means over the step's samples.
  public var studentRatio, teacherRatio: Double
  /// Samples, rows with visual tokens, and supervised tokens of the step.
  public var samples, rows, supervisedTokens: Int
  /// What the step took, waiting for data included.
  public var seconds: Double
  /// Seconds of it that were spent waiting for data.
  public var dataSeconds: Double

  /// Samples per second.
  public var samplesPerSecond: Double { seconds > 0 ? Double(samples) / seconds : 0 }

  /// The numbers that are drawn over steps, by name.
  public var scalars: [(name: String, value: Double)] {
    var all = [
      ("loss/total", loss), ("loss/cross-entropy", crossEntropy), ("loss/divergence", divergence),
      ("gradient/norm", gradientNorm), ("schedule/learning-rate", learningRate), ("schedule/layer", Double(layer)),
      ("schedule/student-ratio", studentRatio), ("schedule/teacher-ratio", teacherRatio),
      ("speed/samples-per-second", samplesPerSecond),
    ]
    if let crossEntropyGradientNorm { all.append(("gradient/cross-entropy", crossEntropyGradientNorm)) }
    if let divergenceGradientNorm { all.append(("gradient/divergence", divergenceGradientNorm)) }
    return all
  }
}
