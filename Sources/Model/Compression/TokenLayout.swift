/// Where the tokens of a picture, or of several tiles or frames that share a budget, lie: known before anything is computed.
public struct TokenLayout: Sendable, Hashable {
  /// The grids of patches, in the order of their tokens.
  public var grids: [TokenGrid]
  /// Tokens that belong to no patch of any grid, such as the ends of rows, by their place among all; ascending.
  public var extraTokens: [Int]

  /// A layout of its parts.
  public init(grids: [TokenGrid], extraTokens: [Int] = []) {
    self.grids = grids
    self.extraTokens = extraTokens
  }

  /// A layout of one grid.
  public init(_ grid: TokenGrid) { self.init(grids: [grid]) }

  /// Tokens in all.
  public var count: Int { grids.reduce(extraTokens.count) { $0 + $1.count } }

  /// The only grid.
  ///
  /// - Throws: `CompressionError.layout` where there are several, or tokens beside it.
  public func grid() throws -> TokenGrid {
    guard grids.count == 1, extraTokens.isEmpty, let grid = grids.first else {
      throw CompressionError.layout(grids: grids.count, extraTokens: extraTokens.count)
    }
    return grid
  }
}
