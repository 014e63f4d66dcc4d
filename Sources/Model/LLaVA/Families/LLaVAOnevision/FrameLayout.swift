import Compression

/// Where the tokens of a video lie whose frames lose three quarters of their patches: frame after frame, and one end behind them all.
enum FrameLayout {
  /// Tokens along a side of a frame.
  static func side(_ c: LLaVAConfiguration) -> Int { (c.vision.gridSize + 1) / 2 }

  /// All tokens.
  static func tokens(_ c: LLaVAConfiguration, frames: Int) -> TokenLayout {
    let grid = TokenGrid(rows: side(c), columns: side(c))
    let count = frames * grid.count
    return TokenLayout(
      grids: Array(repeating: grid, count: frames), rowEnds: [.init(place: count, row: 0..<count)], isVideo: true)
  }
}
