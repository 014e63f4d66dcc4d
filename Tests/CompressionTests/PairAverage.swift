import Compression
import Torch

/// Averages neighbouring pairs of tokens until as few are left as asked for: the smallest compressor that merges.
struct PairAverage: TokenReducer {
  var sites: [Site.Kind] { [.decoder, .features, .tower] }
  var readsPrompt: Bool { false }

  /// At most every other token goes.
  func count(ratio: Double, of total: Int) -> Int { max((total + 1) / 2, Int((1 - ratio) * Double(total))) }

  func reduce(_ choice: TokenChoice) throws -> Reduction {
    let weights = Self.weights(choice.tokens.count, choice.count)
    return .merge(
      kept: try Tensor(weights.map { row in row.firstIndex { $0 > 0 } ?? 0 }),
      weights: try Tensor(weights.flatMap(\.self), [choice.count, choice.tokens.count]))
  }

  /// For each token that is left what it is made of.
  static func weights(_ total: Int, _ count: Int) -> [[Float]] {
    let pairs = total - count
    return (0..<count).map { row in
      var weights = [Float](repeating: 0, count: total)
      if row < pairs { (weights[2 * row], weights[2 * row + 1]) = (0.5, 0.5) } else { weights[row + pairs] = 1 }
      return weights
    }
  }
}

/// Asks another compressor, and remembers its answers.
final class RecordingReducer: TokenReducer, @unchecked Sendable {
  private let base: any TokenReducer
  private(set) var reductions: [Reduction] = []

  init(_ base: any TokenReducer) { self.base = base }

  var sites: [Site.Kind] { base.sites }
  var needs: ReducerNeeds { base.needs }
  var readsPrompt: Bool { base.readsPrompt }
  var keepsPositions: Bool { true }
  var keepsOrder: Bool { base.keepsOrder }
  var weighsBySize: Bool { base.weighsBySize }
  var decidesBudgets: Bool { base.decidesBudgets }
  func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] { try base.budget(choice, later: later) }
  func count(ratio: Double, of total: Int) -> Int { base.count(ratio: ratio, of: total) }
  func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }
  func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    let found = try base.reduce(choices)
    reductions += found
    return found
  }
}
