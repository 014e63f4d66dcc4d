import Torch

/// All samples at a cut, their rows end to end, for strategies that choose for many images at once; each thing computed when it is
/// first asked for.
public final class BatchRows {
  /// The output of the layer before the cut, [T, hiddenSize].
  public let hidden: Tensor
  private let keys: Tensor
  private let norm: (Tensor) throws -> Tensor
  private var norms: Tensor?

  /// A batch's rows.
  ///
  /// - Parameters:
  ///   - hidden: the output of the layer before the cut, [T, hiddenSize].
  ///   - keys: that layer's keys after rotary embedding, [T, keyValueHeads, headDimension].
  ///   - norm: the model's final normalisation.
  public init(hidden: Tensor, keys: Tensor, norm: @escaping (Tensor) throws -> Tensor) {
    self.hidden = hidden
    self.keys = keys
    self.norm = norm
  }

  /// L1 norms of the rows' keys over all heads: [T] float32.
  public func keyNorms() throws -> Tensor {
    if let norms { return norms }
    let found = try keys.to(.float32).abs().sum(2).sum(1)
    norms = found
    return found
  }

  /// Some rows after the model's final normalisation, [indices, hiddenSize] float32.
  public func normalized(_ rows: Tensor) throws -> Tensor { try norm(hidden.rows(rows)).to(.float32) }
}
