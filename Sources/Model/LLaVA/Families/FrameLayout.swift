import Compression

/// Where the tokens of a video lie whose frames go through a tower of one size: frame after frame, fewer of each than it has patches.
enum FrameLayout {
  /// Tokens along a side of a frame: half of the patches, rounded up, where they are resampled, and as many as are pooled where they are.
  static func side(_ c: LLaVAConfiguration) -> Int {
    c.pooledVideo.map { c.vision.gridSize / max(1, $0.stride) } ?? (c.vision.gridSize + 1) / 2
  }

  /// All tokens; LLaVA-OneVision has one end behind them all.
  static func tokens(_ c: LLaVAConfiguration, frames: Int) -> TokenLayout {
    let grid = TokenGrid(rows: side(c), columns: side(c))
    let count = frames * grid.count
    return TokenLayout(
      grids: Array(repeating: grid, count: frames),
      rowEnds: c.pooledVideo == nil ? [.init(place: count, row: 0..<count)] : [], isVideo: true)
  }
}
