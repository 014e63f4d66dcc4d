import Torch

/// Averages neighbouring patches before the projector, the baseline without any choice (EPIC's table 1 calls it AvgPool).
///
/// The grid is divided into as many rectangles as tokens are left, each patch in one of them, and each rectangle becomes its mean: 2 × 2
/// pooling leaves 144 of 576 tokens, 3 × 3 leaves 64. Positions in the decoder are contiguous, as the image is shorter from the start.
public struct AveragePool: TokenPooler {
  /// A strategy that averages.
  public init() {}

  /// Means over rectangles, computed in float32; a class token stays as it is.
  public func pool(_ features: Tensor, _ grid: TokenGrid, to count: Int) throws -> Tensor {
    let first = grid.hasClassToken ? 1 : 0
    let kept = min(first, count)
    var weights = [Float](repeating: 0, count: count * grid.count)
    if kept == 1 { weights[0] = 1 }
    for (index, region) in grid.regions(count - kept).enumerated() {
      let share = 1 / Float(region.rows.count * region.columns.count)
      for row in region.rows {
        for column in region.columns {
          weights[(kept + index) * grid.count + first + row * grid.columns + column] = share
        }
      }
    }
    let means = try Tensor(weights, [count, grid.count], on: features.device)
    return try means.matmul(features.to(.float32)).to(features.dtype)
  }
}
