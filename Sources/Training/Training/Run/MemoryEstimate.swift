import Torch

/// About how many bytes a run's step takes, from its configuration alone.
///
/// Weights, a frozen teacher's included, gradients, masters and moments are exact. Activations are what the layers keep for the backward
/// pass of a micro-batch of samples with one image, nothing dropped, and as much text again as a usual conversation has; of further
/// branches of a step, with the tokens that they keep at most, what the layers behind the cut keep.
public struct MemoryEstimate: Sendable, Equatable {
  /// All weights.
  public let weights: Int
  /// Gradients of the trained ones.
  public let gradients: Int
  /// Masters and moments.
  public let optimizer: Int
  /// What the backward pass needs of the forward one, and one chunk of logits.
  public let activations: Int

  /// All of it.
  public var total: Int { weights + gradients + optimizer + activations }

  /// Text tokens of a sample that the estimate assumes.
  static let text = 128

  /// The estimate for a run.
  public init(_ run: TrainingRun) {
    let (configuration, c) = (run.configuration, run.model.configuration)
    let bytes = configuration.dtype == .float32 ? 4 : 2
    weights = run.model.parameters.parameters.reduce(run.frozenBytes) { $0 + $1.tensor.byteCount }
    gradients = run.trainedElements * bytes
    optimizer = run.optimizer.byteCount
    let rows = configuration.batch.tokens ?? configuration.batch.samples * (c.pictureLayout.count + Self.text)
    // Of each layer: input and its norm, q, k, v before and after rotation, attention's result, the second norm, and four of the MLP;
    // with recomputation the input alone, and one layer's rest at a time.
    let layer = 10 * c.text.hiddenSize + 4 * c.text.intermediateSize
    let recomputes = configuration.distillation.recomputesActivations
    let kept = recomputes ? c.text.layers * c.text.hiddenSize + layer : c.text.layers * layer
    // Rows and layers of branches beside one with all tokens.
    let samples = max(1, rows / (c.pictureLayout.count + Self.text))
    let further = run.planned(after: 0).branches.dropFirst().reduce(0) { sum, branch in
      let deep = c.text.layers - (branch.layers.min() ?? 0)
      return sum + samples * (branch.tokens(of: c.pictureLayout.count).upperBound + Self.text) * deep
    }
    // Probabilities of attention, where it is computed by products.
    let sample = min(rows, c.pictureLayout.count + Self.text)
    let attention = recomputes ? 1 : c.text.layers
    let logits = 6 * 4 * configuration.distillation.chunkRows * c.text.vocabularySize
    let branches = further * (recomputes ? c.text.hiddenSize : layer)
    activations = bytes * (rows * kept + branches + attention * c.text.heads * rows * sample) + logits
  }
}
