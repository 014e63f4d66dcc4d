/// Where the visual tokens of an image lie: patches in raster order, and perhaps a class token before them.
public struct TokenGrid: Sendable, Hashable {
  /// A rectangle of patches.
  public struct Region: Sendable, Hashable {
    /// Rows of patches, from the top.
    public let rows: Range<Int>
    /// Columns of patches, from the left.
    public let columns: Range<Int>
  }

  /// Rows of patches.
  public let rows: Int
  /// Columns of patches.
  public let columns: Int
  /// True where a token that belongs to no patch stands before them.
  public let hasClassToken: Bool

  /// A grid of patches.
  public init(rows: Int, columns: Int, hasClassToken: Bool = false) {
    self.rows = rows
    self.columns = columns
    self.hasClassToken = hasClassToken
  }

  /// Patches.
  public var patches: Int { rows * columns }
  /// Tokens, the class token included.
  public var count: Int { patches + (hasClassToken ? 1 : 0) }

  /// The middle of some rows or columns; of two the first.
  static func middle(_ range: Range<Int>) -> Int { (range.lowerBound + range.upperBound - 1) / 2 }

  /// The grid divided into `count` rectangles of nearly equal size that cover each patch once, in raster order.
  ///
  /// Rows of patches are gathered in about √(count · rows / columns) bands, and each band is divided into as many parts as its share
  /// of `count`, so that any number of rectangles is possible. Where the bands come out even the rectangles are a regular grid: 64 of
  /// 24 × 24 patches are 8 × 8 squares of 3 × 3.
  ///
  /// - Parameter count: at most `patches`; more are cut down to it.
  public func regions(_ count: Int) -> [Region] {
    let count = min(count, patches)
    guard count > 0 else { return [] }
    let wanted = (Double(count * rows) / Double(columns)).squareRoot().rounded()
    // Enough bands that none needs more parts than there are columns, and never a band without a row or a part.
    let bands = min(max(Int(wanted), (count + columns - 1) / columns), min(rows, count))
    func boundary(_ index: Int, _ whole: Int, _ parts: Int) -> Int { index * whole / parts }
    return (0..<bands).flatMap { band in
      let top = boundary(band, rows, bands)..<boundary(band + 1, rows, bands)
      let parts = boundary(band + 1, count, bands) - boundary(band, count, bands)
      return (0..<parts).map { part in
        Region(rows: top, columns: boundary(part, columns, parts)..<boundary(part + 1, columns, parts))
      }
    }
  }
}
