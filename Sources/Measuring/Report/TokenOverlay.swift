import Compression
import Imaging

/// A picture with what the decoder did without dimmed on the model's patch grid.
public struct TokenOverlay: Sendable {
  /// Brightness of what the first of two cuts dropped, or the only one.
  private static let dark = 0.22
  /// Brightness of what only the second cut dropped.
  private static let half = 0.5
  private static let line: (UInt8, UInt8, UInt8) = (255, 176, 0)

  private let grid: TokenGrid
  /// How bright each patch is, in raster order.
  private let levels: [Double]
  /// Number of the area that each patch belongs to; lines are drawn where two meet.
  private let areas: [Int]

  /// What cuts left of an image.
  ///
  /// - Parameters:
  ///   - grid: where its tokens lay.
  ///   - cuts: the tokens that each cut left, as indices into the grid, from shallow to deep; none for an image that kept all.
  public init(_ grid: TokenGrid, keptIndices cuts: [[Int]]) {
    self.grid = grid
    let first = grid.hasClassToken ? 1 : 0
    let kept = cuts.map(Set.init)
    let found = (0..<grid.patches).map { patch in
      kept.enumerated().first { !$0.element.contains(patch + first) }.map { $0.offset == 0 ? Self.dark : Self.half } ?? 1
    }
    levels = found
    areas = found.map { $0 == 1 ? 1 : 0 }
  }

  /// What cuts left of an image of any layout, on the finest of its grids.
  ///
  /// - Parameter cuts: as indices into the layout.
  public init(_ layout: TokenLayout, keptIndices cuts: [[Int]]) {
    let (finest, grid) = Self.finest(layout)
    let places = finest < layout.grids.count ? layout.countedPlaces[finest] : []
    let tokens = Dictionary(places.enumerated().map { ($1, $0) }) { first, _ in first }
    self.init(grid, keptIndices: cuts.map { $0.compactMap { tokens[$0] } })
  }

  /// An image whose tokens were pooled to `count`.
  public init(_ grid: TokenGrid, pooledTo count: Int) {
    self.grid = grid
    levels = Array(repeating: 1, count: grid.patches)
    var areas = Array(repeating: 0, count: grid.patches)
    let regions = grid.regions(count - (grid.hasClassToken ? 1 : 0))
    for (number, region) in regions.enumerated() where regions.count < grid.patches {
      for row in region.rows {
        for column in region.columns { areas[row * grid.columns + column] = number }
      }
    }
    self.areas = areas
  }

  /// An image of any layout whose tokens were pooled to `count`, on the finest of its grids.
  public init(_ layout: TokenLayout, pooledTo count: Int) {
    let (finest, grid) = Self.finest(layout)
    let shares = TokenLayout.shares(min(count, layout.counted), of: layout.grids.map(\.count))
    self.init(grid, pooledTo: finest < shares.count ? shares[finest] : 0)
  }

  /// The last grid that has patches, and its number.
  private static func finest(_ layout: TokenLayout) -> (number: Int, grid: TokenGrid) {
    let number = layout.grids.lastIndex { $0.patches > 0 } ?? layout.grids.count
    return (number, number < layout.grids.count ? layout.grids[number] : TokenGrid(rows: 1, columns: 1))
  }

  /// The picture with dropped patches dimmed and a line around what is left.
  ///
  /// - Parameter picture: as the model sees it, at any magnification.
  public func drawn(on picture: RGBImage) throws -> RGBImage {
    let (width, height) = (picture.width / grid.columns, picture.height / grid.rows)
    let thickness = max(1, min(3, width / 12, height / 12))
    var pixels = picture.pixels
    for y in 0..<picture.height {
      for x in 0..<picture.width {
        let place = 3 * (y * picture.width + x)
        let (row, column) = (y / max(1, height), x / max(1, width))
        // What is left over of a picture that the grid does not divide is seen by no patch.
        let inside = row < grid.rows && column < grid.columns
        let level = inside ? levels[row * grid.columns + column] : Self.dark
        if inside, isEdge(row, column, (y % height, x % width), (height, width), thickness) {
          (pixels[place], pixels[place + 1], pixels[place + 2]) = Self.line
        } else if level < 1 {
          for channel in place..<place + 3 { pixels[channel] = UInt8(Double(pixels[channel]) * level) }
        }
      }
    }
    return try RGBImage(width: picture.width, height: picture.height, pixels: pixels)
  }

  /// Whether a point of a patch lies on the line between its area and one of a smaller number.
  private func isEdge(
    _ row: Int, _ column: Int, _ point: (y: Int, x: Int), _ size: (height: Int, width: Int), _ thickness: Int
  ) -> Bool {
    let (top, left) = (point.y < thickness, point.x < thickness)
    let (bottom, right) = (point.y >= size.height - thickness, point.x >= size.width - thickness)
    guard top || left || bottom || right else { return false }
    let own = areas[row * grid.columns + column]
    func borders(_ row: Int, _ column: Int) -> Bool {
      row >= 0 && row < grid.rows && column >= 0 && column < grid.columns && areas[row * grid.columns + column] < own
    }
    // The neighbours that the point is near to, those at the corners included.
    let rows = (top ? row - 1 : row)...(bottom ? row + 1 : row)
    let columns = (left ? column - 1 : column)...(right ? column + 1 : column)
    return rows.contains { row in columns.contains { borders(row, $0) } }
  }
}

extension RGBImage {
  /// Pictures of one height beside each other, with white between them.
  public static func sideBySide(_ pictures: [RGBImage], gap: Int = 12) throws -> RGBImage {
    let height = pictures.map(\.height).max() ?? 0
    let width = pictures.reduce(gap * max(0, pictures.count - 1)) { $0 + $1.width }
    var pixels = [UInt8](repeating: 255, count: 3 * width * height)
    var left = 0
    for picture in pictures {
      for y in 0..<picture.height {
        let row = picture.pixels[3 * y * picture.width..<3 * (y + 1) * picture.width]
        pixels.replaceSubrange(3 * (y * width + left)..<3 * (y * width + left + picture.width), with: row)
      }
      left += picture.width + gap
    }
    return try RGBImage(width: width, height: height, pixels: pixels)
  }
}
