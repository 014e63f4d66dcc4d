import Torch

/// What a compressor makes of one image's tokens.
public enum Reduction: Sendable {
  /// These tokens stay as they are, the others go: [count] int64 indices, in any order, on any device.
  case keep(Tensor)
  /// Each of the tokens that are left is a mix of those that were there.
  ///
  /// - kept: [count] int64, ascending: for each new token the old one that it stands for, whose position it takes over. In any order
  ///   where the compressor does not keep it.
  /// - weights: [count, tokens] float32. New rows are weights · old rows, in float32; gradients go through the old rows. Where there is a
  ///   `VisualTokens.classRow` they may be [count, 1 + tokens], that row first.
  case merge(kept: Tensor, weights: Tensor)
  /// The tower is to see the picture in this grid of patches. At the site `.picture` alone.
  case resize(TokenGrid)

  /// Which tokens are left, or are stood for; nil for a resized picture.
  public var kept: Tensor? {
    switch self {
    case .keep(let kept), .merge(let kept, _): kept
    case .resize: nil
    }
  }

  /// The rows [tokens, width] of an image after the reduction, [count, width] of the same dtype.
  ///
  /// - Parameter classRow: the class token's, [1, width], where it is no visual token.
  public func applied(to rows: Tensor, classRow: Tensor? = nil) throws -> Tensor {
    switch self {
    case .keep(let kept): return try rows.rows(kept)
    case .merge(_, let weights):
      let all = try weights.size(1) == rows.size(0) ? rows : concatenate([classRow, rows].compactMap(\.self))
      return try weights.matmul(all.to(.float32)).to(rows.dtype)
    case .resize: return rows
    }
  }
}
