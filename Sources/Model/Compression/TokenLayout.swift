/// Where the tokens of a picture, or of several tiles or frames that share a budget, lie: known before anything is computed.
public struct TokenLayout: Sendable, Hashable {
  /// A token that ends a row of patches and belongs to none of them.
  ///
  /// It stays as long as one of its row's tokens does, and goes with the last of them. Budgets do not count it.
  public struct RowEnd: Sendable, Hashable {
    /// Its place among all tokens.
    public let place: Int
    /// The places of its row's tokens, all before it.
    public let row: Range<Int>

    /// The end of a row.
    public init(place: Int, row: Range<Int>) {
      self.place = place
      self.row = row
    }
  }

  /// The grids of patches, in the order of their tokens.
  public var grids: [TokenGrid]
  /// Ends of rows among them, ascending.
  public var rowEnds: [RowEnd]
  /// True where the grids are those of a video, one after the other in time and all alike.
  public var isVideo: Bool

  /// A layout of its parts.
  public init(grids: [TokenGrid], rowEnds: [RowEnd] = [], isVideo: Bool = false) {
    self.grids = grids
    self.rowEnds = rowEnds
    self.isVideo = isVideo
  }

  /// A layout of one grid.
  public init(_ grid: TokenGrid) { self.init(grids: [grid]) }

  /// Tokens in all.
  public var count: Int { counted + rowEnds.count }

  /// Tokens that budgets count: all but ends of rows.
  public var counted: Int { grids.reduce(0) { $0 + $1.count } }

  /// Most tokens that there are where `kept` of those that budgets count are left.
  public func most(keeping kept: Int) -> Int { kept >= counted ? count : kept + min(kept, rowEnds.count) }

  /// The only grid.
  ///
  /// - Throws: `CompressionError.layout` where there are several, or tokens beside it.
  public func grid() throws -> TokenGrid {
    guard grids.count == 1, rowEnds.isEmpty, let grid = grids.first else {
      throw CompressionError.layout(grids: grids.count, rowEnds: rowEnds.count)
    }
    return grid
  }

  /// Places of the tokens that budgets count, grid after grid.
  public var countedPlaces: [[Int]] {
    let ends = Set(rowEnds.map(\.place))
    var free = (0..<count).lazy.filter { !ends.contains($0) }.makeIterator()
    return grids.map { grid in (0..<grid.count).compactMap { _ in free.next() } }
  }

  /// A budget divided among grids in proportion to their tokens; what is left over goes to those that lost the most by rounding.
  ///
  /// - Parameters:
  ///   - count: at most the sum of `tokens`.
  ///   - tokens: what there is of each grid.
  public static func shares(_ count: Int, of tokens: [Int]) -> [Int] {
    let total = max(1, tokens.reduce(0, +))
    var shares = tokens.map { count * $0 / total }
    let byRest = tokens.indices.sorted { (count * tokens[$1] % total, $0) < (count * tokens[$0] % total, $1) }
    for grid in byRest.prefix(count - shares.reduce(0, +)) { shares[grid] += 1 }
    return shares
  }
}

extension [TokenLayout] {
  /// Tokens of all pictures.
  public var tokens: Int { reduce(0) { $0 + $1.count } }

  /// Most tokens of all pictures where of each so many of those that budgets count are left.
  public func most(keeping kept: [Int]) -> Int { zip(self, kept).reduce(0) { $0 + $1.0.most(keeping: $1.1) } }
}

extension [CompressionPlan.ResolvedStage] {
  /// Most tokens that the pictures of the first sample have in a decoder layer; nil where all are there.
  public func tokens(inLayer layer: Int, of layouts: [TokenLayout]) -> Int? {
    last { ($0.layer ?? 0) <= layer }.map { layouts.most(keeping: $0.counts[0]) }
  }
}
