import Compression
import Foundation
import Imaging

/// Where the tokens of a picture lie that is shown whole and in tiles: the whole, then the canvas without its margins, row after row, each
/// row with an end (LLaVA-NeXT's "spatial_unpad").
struct TiledLayout: Sendable, Equatable {
  /// Tiles of the canvas, down and across; zero where the picture is shown whole alone.
  let tiles: (rows: Int, columns: Int)
  /// Patches of the canvas that show the picture.
  let rows: Range<Int>, columns: Range<Int>
  /// The grid to which these are resampled, where they are too many.
  let resampled: (rows: Int, columns: Int)?
  /// All tokens.
  let tokens: TokenLayout

  static func == (a: TiledLayout, b: TiledLayout) -> Bool { a.tokens == b.tokens && a.rows == b.rows && a.columns == b.columns }

  init(_ c: LLaVAConfiguration, _ shape: PictureShape) {
    let whole = c.vision.grid
    guard let tiling = c.tiling, shape.views > 1 else {
      // The end of a picture without tiles belongs to all of it.
      (tiles, rows, columns, resampled) = ((0, 0), 0..<0, 0..<0, nil)
      tokens = TokenLayout(grids: [whole], rowEnds: [.init(place: whole.count, row: 0..<whole.count)])
      return
    }
    tiles = tiling.tiles(of: tiling.canvas(height: shape.height, width: shape.width))
    let side = c.vision.gridSize
    let canvas = (rows: tiles.rows * side, columns: tiles.columns * side)
    (rows, columns) = Self.shown(height: shape.height, width: shape.width, canvas)
    resampled = c.tileLimit.flatMap { [rows, columns] limit in Self.limited(rows.count, columns.count, tiles: limit, side: side) }
    let grid = TokenGrid(rows: resampled?.rows ?? rows.count, columns: resampled?.columns ?? columns.count)
    tokens = TokenLayout(
      grids: [whole, grid],
      rowEnds: (0..<grid.rows).map { row in
        let start = whole.count + row * (grid.columns + 1)
        return .init(place: start + grid.columns, row: start..<start + grid.columns)
      })
  }

  /// Not less than the tokens of any picture: all of the largest canvas, or what the limit leaves of it, and an end for each of its rows.
  static func most(_ c: LLaVAConfiguration, _ tiling: PictureTiling) -> Int {
    let side = c.vision.gridSize
    let canvases = tiling.canvases.map { tiling.tiles(of: $0) }
    let tiles = canvases.map { $0.rows * $0.columns }.max() ?? 0
    let patches = Double(side * side) * min(Double(tiles), Self.slack * Self.slack * Double(c.tileLimit ?? tiles))
    return c.vision.grid.count + Int(patches) + side * (canvases.map(\.rows).max() ?? 0)
  }

  /// By how much a side may be longer before patches are resampled.
  private static let slack = 1.1

  /// The part of a canvas that shows a picture, by transformers' `unpad_image`.
  private static func shown(height: Int, width: Int, _ canvas: (rows: Int, columns: Int)) -> (Range<Int>, Range<Int>) {
    /// Python's `int(round(x, 7))`.
    func whole(_ x: Double) -> Int { Int((x * 1e7).rounded(.toNearestOrEven) / 1e7) }
    let (height, width) = (Double(max(1, height)), Double(max(1, width)))
    if width / height > Double(canvas.columns) / Double(canvas.rows) {
      let margin = (canvas.rows - whole(height * (Double(canvas.columns) / width))) / 2
      return (margin..<canvas.rows - margin, 0..<canvas.columns)
    }
    let margin = (canvas.columns - whole(width * (Double(canvas.rows) / height))) / 2
    return (0..<canvas.rows, margin..<canvas.columns - margin)
  }

  /// The grid to which patches are resampled where they are more than `tiles` tiles have by a tenth along a side.
  private static func limited(_ rows: Int, _ columns: Int, tiles: Int, side: Int) -> (rows: Int, columns: Int)? {
    let ratio = (Double(rows * columns) / Double(tiles * side * side)).squareRoot()
    return ratio > slack ? (quotient(rows, ratio), quotient(columns, ratio)) : nil
  }

  /// Python's `int(a // b)`, which is exact where a quotient of floating-point numbers is rounded up.
  private static func quotient(_ a: Int, _ b: Double) -> Int {
    let a = Double(a)
    return Int(((a - fmod(a, b)) / b).rounded())
  }
}
