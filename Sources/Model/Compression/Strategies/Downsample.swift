/// Shows the tower a smaller picture: plain down-sampling, which VTC-Bench (arXiv 2510.07143) finds to rival many strategies.
///
/// The picture becomes rows × columns patches with rows · columns = the number of tokens kept: the two factors nearest to each other, the
/// shorter one first (64 is 8 × 8, 192 is 12 × 16). It is shrunk to that many patches by antialiased bicubic resampling, after padding
/// and normalising, and the tower's learned positions are interpolated to that grid (bicubic, as CLIP in transformers does for other
/// sizes). So the decoder sees exactly as many tokens, at positions without gaps, and the tower costs as little.
public struct Downsample: PictureShrinker {
  /// How many times one side may be the other.
  static let greatestRatio = 2

  /// A strategy that shrinks.
  public init() {}

  /// The most nearly square grid of exactly this number.
  ///
  /// - Throws: `CompressionError.noGrid` where the number has no two factors of which neither is more than twice the other.
  public func shrunk(_ grid: TokenGrid, to count: Int) throws -> TokenGrid {
    let patches = count - (grid.hasClassToken ? 1 : 0)
    guard let rows = Self.shorterSide(patches) else {
      let other = Self.neighbours(of: patches).map { $0 + (grid.hasClassToken ? 1 : 0) }
      throw CompressionError.noGrid(count, usable: other.filter { $0 <= grid.count })
    }
    return TokenGrid(rows: rows, columns: patches / rows, hasClassToken: grid.hasClassToken)
  }

  private static func shorterSide(_ patches: Int) -> Int? {
    guard patches > 0 else { return nil }
    let root = Int(Double(patches).squareRoot())
    guard let side = (1...root).last(where: { patches % $0 == 0 }), patches / side <= greatestRatio * side else { return nil }
    return side
  }

  /// The next usable numbers below and above.
  private static func neighbours(of patches: Int) -> [Int] {
    let below = patches > 1 ? (1..<patches).last { shorterSide($0) != nil } : nil
    // Squares are usable and never far away.
    let above = (max(1, patches + 1)...).first { shorterSide($0) != nil }
    return [below, above].compactMap(\.self)
  }
}
