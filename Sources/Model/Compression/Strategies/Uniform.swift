import Torch

/// Keeps a regular subset of the patch grid, whatever it shows; the baseline that measures what a choice is worth.
///
/// The grid is divided into as many rectangles as tokens are kept, and the token in the middle of each stays. At a second cut the
/// nearest remaining token stands for the middle.
public struct Uniform: TokenReducer {
  /// A strategy that looks at positions alone.
  public init() {}

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// The middle of each rectangle; a class token always stays.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (count, tokens) = (choice.count, choice.tokens)
    let grid = try tokens.layout.grid()
    let first = grid.hasClassToken ? 1 : 0
    let centres = grid.regions(count - first).map { region in
      (row: middle(region.rows), column: middle(region.columns))
    }
    let wanted = Array(0..<first) + centres.map { first + $0.row * grid.columns + $0.column }
    guard let patches = tokens.patches else { return .keep(try Tensor(wanted, on: tokens.device)) }
    return .keep(try Tensor(nearest(wanted, in: patches.array(Int.self), grid), on: tokens.device))
  }

  private func middle(_ range: Range<Int>) -> Int { (range.lowerBound + range.upperBound - 1) / 2 }

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
