import Torch

/// An image with ends of rows, as a compressor is asked about it: without them.
///
/// What the compressor leaves decides which of them stay.
struct RowEndChoice {
  private let choice: TokenChoice
  /// The tokens that are there now, by their places in the layout.
  private let places: [Int]
  /// Which of them the compressor is asked about.
  private let asked: [Int]

  /// Nil for an image without ends of rows.
  init?(_ choice: TokenChoice) throws {
    let layout = choice.tokens.layout
    if layout.rowEnds.isEmpty { return nil }
    self.choice = choice
    let places = try choice.tokens.patches?.array(Int.self) ?? Array(0..<layout.count)
    guard places.count == choice.tokens.count else {
      throw TorchError.shapeMismatch(what: "an image's tokens", found: [choice.tokens.count], expected: [places.count])
    }
    self.places = places
    let ends = Set(layout.rowEnds.map(\.place))
    asked = places.indices.filter { !ends.contains(places[$0]) }
  }

  /// The choice among the other tokens.
  func withoutEnds() throws -> TokenChoice {
    let patches = try Tensor(asked.map { places[$0] }, on: choice.tokens.device)
    return TokenChoice(choice.count, of: choice.tokens.selecting(asked, patches: patches), generator: choice.generator)
  }

  /// What is left of all tokens where the compressor leaves this of the others.
  func withEnds(_ found: Reduction) throws -> Reduction {
    guard let kept = try found.kept?.array(Int.self) else { return found }
    let left = kept.map { asked[$0] }
    let alive = left.map { places[$0] }.sorted()
    func isAlive(_ row: Range<Int>) -> Bool {
      // The first token that is left at or behind the row's beginning.
      var (low, high) = (0, alive.count)
      while low < high {
        let middle = (low + high) / 2
        if alive[middle] < row.lowerBound { low = middle + 1 } else { high = middle }
      }
      return low < alive.count && alive[low] < row.upperBound
    }
    let ends = Set(choice.tokens.layout.rowEnds.filter { isAlive($0.row) }.map(\.place))
    let stays = places.indices.filter { ends.contains(places[$0]) }
    let device = choice.tokens.device
    guard case .merge(_, let weights) = found else { return .keep(try Tensor((left + stays).sorted(), on: device)) }
    // Rows of the weights in the order of the tokens that they stand for, ends between them.
    let rows = (left.enumerated().map { ($1, Optional($0)) } + stays.map { ($0, nil) }).sorted { $0.0 < $1.0 }
    let (mixed, columns) = (try weights.to(.cpu).array(Float.self), asked.count)
    var all = [Float](repeating: 0, count: rows.count * places.count)
    for (row, (token, source)) in rows.enumerated() {
      guard let source else {
        all[row * places.count + token] = 1
        continue
      }
      for column in 0..<columns { all[row * places.count + asked[column]] = mixed[source * columns + column] }
    }
    return .merge(
      kept: try Tensor(rows.map(\.0), on: device), weights: try Tensor(all, [rows.count, places.count], on: device))
  }
}
