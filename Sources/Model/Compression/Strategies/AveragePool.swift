import Torch

/// Averages neighbouring patches, the baseline without any choice (EPIC's table 1 calls it AvgPool).
///
/// The grid is divided into as many rectangles as tokens are left, each patch in one of them, and each rectangle becomes its mean: 2 × 2
/// pooling leaves 144 of 576 tokens, 3 × 3 leaves 64. Works on the tower's features unless told otherwise. Before the decoder positions
/// are contiguous, as the image is shorter from the start.
public struct AveragePool: TokenReducer {
  /// A strategy that averages.
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
    let grid = try tokens.layout.grid()
    if tokens.patches != nil {
      throw CompressionError.unavailable("a whole grid", hint: "pool before tokens are dropped, not after")
    }
    let first = grid.hasClassToken ? 1 : 0
    let kept = min(first, count)
    var weights = [Float](repeating: 0, count: count * grid.count)
    if kept == 1 { weights[0] = 1 }
    var centres = Array(0..<kept)
    for (index, region) in grid.regions(count - kept).enumerated() {
      let share = 1 / Float(region.rows.count * region.columns.count)
      for row in region.rows {
        for column in region.columns {
          weights[(kept + index) * grid.count + first + row * grid.columns + column] = share
        }
      }
      let (row, column) = (
        (region.rows.lowerBound + region.rows.upperBound - 1) / 2, (region.columns.lowerBound + region.columns.upperBound - 1) / 2
      )
      centres.append(first + row * grid.columns + column)
    }
    return .merge(
      kept: try Tensor(centres, on: tokens.device), weights: try Tensor(weights, [count, grid.count], on: tokens.device))
  }
}
