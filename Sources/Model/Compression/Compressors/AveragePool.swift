import Torch

/// Averages neighbouring patches, the baseline without any choice (EPIC's table 1 calls it AvgPool).
///
/// The grid is divided into as many rectangles as tokens are left, each patch in one of them, and each rectangle becomes its mean: 2 × 2
/// pooling leaves 144 of 576 tokens, 3 × 3 leaves 64. Of a picture of several grids each has its share of the budget, in proportion to
/// its tokens. Works on the tower's features unless told otherwise. Before the decoder positions are contiguous, as the image is shorter
/// from the start.
public struct AveragePool: TokenReducer {
  /// A compressor that averages.
  public init() {}

  /// The tower's end, or anywhere else behind it.
  public var sites: [Site.Kind] { [.tower, .features, .decoder] }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// False: the decoder sees a shorter image.
  public var keepsPositions: Bool { false }

  /// Means over rectangles; a class token stays as it is.
  ///
  /// Each mean stands for the token in the middle of its rectangle.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (count, tokens) = (choice.count, choice.tokens)
    let grids = tokens.layout.grids
    let total = tokens.layout.counted
    if tokens.count != total {
      throw CompressionError.unavailable("a whole grid", hint: "pool before tokens are dropped, not after")
    }
    var weights = [Float](repeating: 0, count: count * total)
    var centres: [Int] = []
    var start = 0
    for (grid, share) in zip(grids, TokenLayout.shares(count, of: grids.map(\.count))) {
      let first = start + (grid.hasClassToken ? 1 : 0)
      let own = min(first - start, share)
      if own == 1 {
        weights[centres.count * total + start] = 1
        centres.append(start)
      }
      for region in grid.regions(share - own) {
        let part = 1 / Float(region.rows.count * region.columns.count)
        for row in region.rows {
          for column in region.columns { weights[centres.count * total + first + row * grid.columns + column] = part }
        }
        centres.append(first + TokenGrid.middle(region.rows) * grid.columns + TokenGrid.middle(region.columns))
      }
      start += grid.count
    }
    return .merge(kept: try Tensor(centres, on: tokens.device), weights: try Tensor(weights, [count, total], on: tokens.device))
  }
}
