import Torch

/// Shows the tower a smaller picture: plain down-sampling, which VTC-Bench (arXiv 2510.07143) finds to rival many compressors.
///
/// The picture becomes rows × columns patches with rows · columns = the number of tokens kept: the two factors nearest to each other, the
/// shorter one first (64 is 8 × 8, 192 is 12 × 16). It is shrunk to that many patches by antialiased bicubic resampling, after padding
/// and normalising, and the tower's learned positions are interpolated to that grid (bicubic, as CLIP in transformers does for other
/// sizes). So the decoder sees exactly as many tokens, at positions without gaps, and the tower costs as little.
public struct Downsample: TokenReducer {
  /// How many times one side may be the other.
  static let greatestRatio = 2

  /// A compressor that shrinks.
  public init() {}

  /// Before the tower alone.
  public var sites: [Site.Kind] { [.picture] }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// False: the decoder sees a smaller picture.
  public var keepsPositions: Bool { false }

  /// The most nearly square grid of exactly as many patches.
  ///
  /// - Throws: `CompressionError.noGrid` where the number has no two factors of which neither is more than twice the other.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (count, grid) = (choice.count, try choice.tokens.layout.grid())
    let patches = count - (grid.hasClassToken ? 1 : 0)
    guard let rows = Self.shorterSide(patches) else {
      let other = Self.neighbours(of: patches).map { $0 + (grid.hasClassToken ? 1 : 0) }
      throw CompressionError.noGrid(count, usable: other.filter { $0 <= grid.count })
    }
    return .resize(TokenGrid(rows: rows, columns: patches / rows, hasClassToken: grid.hasClassToken))
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
