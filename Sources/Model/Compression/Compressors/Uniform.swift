import Torch

/// Keeps a regular subset of the patch grid, whatever it shows; the baseline that measures what a choice is worth.
///
/// The grid is divided into as many rectangles as tokens are kept, and the token in the middle of each stays. At a second cut the
/// nearest remaining token stands for the middle. Of a picture of several grids each has its share of the budget, in proportion to what
/// is there of it.
public struct Uniform: TokenReducer {
  /// A compressor that looks at positions alone.
  public init() {}

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// The middle of each rectangle; a class token always stays.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (count, tokens) = (choice.count, choice.tokens)
    let layout = tokens.layout
    if tokens.patches == nil, layout.grids.count == 1, let grid = layout.grids.first {
      return .keep(try Tensor(wanted(count, grid), on: tokens.device))
    }
    let remaining = try tokens.patches?.array(Int.self) ?? Array(0..<layout.count)
    // For each grid the numbers of its tokens within the grid, and their indices among those that remain.
    let indices = Dictionary(remaining.enumerated().map { ($1, $0) }) { first, _ in first }
    let grids = layout.countedPlaces.map { places in
      places.enumerated().compactMap { token, place in indices[place].map { (token: token, index: $0) } }
    }
    let shares = TokenLayout.shares(count, of: grids.map(\.count))
    let kept = zip(layout.grids, zip(grids, shares)).flatMap { grid, found in
      let (there, share) = found
      return nearest(wanted(share, grid), in: there.map(\.token), grid).map { there[$0].index }
    }
    return .keep(try Tensor(kept, on: tokens.device))
  }

  private func wanted(_ count: Int, _ grid: TokenGrid) -> [Int] {
    let first = min(count, grid.hasClassToken ? 1 : 0)
    let centres = grid.regions(count - first).map { TokenGrid.middle($0.rows) * grid.columns + TokenGrid.middle($0.columns) }
    return Array(0..<first) + centres.map { grid.count - grid.patches + $0 }
  }

  /// For each wanted token the index of the nearest remaining one, each taken once.
  private func nearest(_ wanted: [Int], in remaining: [Int], _ grid: TokenGrid) -> [Int] {
    let first = grid.hasClassToken ? 1 : 0
    func place(_ token: Int) -> (Int, Int) { ((token - first) / grid.columns, (token - first) % grid.columns) }
    var free = Set(remaining.indices)
    return wanted.map { token in
      func distance(_ index: Int) -> Int {
        if token < first || remaining[index] < first { return token == remaining[index] ? -1 : .max }
        let (a, b) = (place(token), place(remaining[index]))
        return (a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)
      }
      // Of equally near ones the first, so that the choice does not depend on the order of a set.
      let best = free.min { (distance($0), $0) < (distance($1), $1) } ?? 0
      free.remove(best)
      return best
    }
  }
}
