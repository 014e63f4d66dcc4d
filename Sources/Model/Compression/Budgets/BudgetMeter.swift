import Synchronization
import Torch

/// Drops nothing, and writes down what budget rules measure in each image that passes.
package final class BudgetMeter: TokenReducer {
  private let rules: [BudgetRule]
  private let found = Mutex<[BudgetRule: [[Double]]]>([:])

  /// A meter of some rules.
  package init(_ rules: [BudgetRule]) { self.rules = rules }

  /// What was measured so far, image by image.
  package func measured(_ rule: BudgetRule) -> [[Double]] { found.withLock { $0[rule] ?? [] } }

  /// The decoder.
  package var sites: [Site.Kind] { [.decoder] }
  /// What the rules look at.
  package var needs: ReducerNeeds { rules.reduce(ReducerNeeds()) { $0.union($1.needs) } }
  /// True.
  package var decidesBudgets: Bool { true }

  /// All tokens, measured.
  package func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    for rule in rules {
      let measured = try rule.measure(choice.tokens)
      found.withLock { $0[rule, default: []].append(measured) }
    }
    return choice.tokens.site.decoderLayer.map { [$0: choice.tokens.count] } ?? [:]
  }

  /// The first tokens, where it is asked for some after all.
  package func reduce(_ choice: TokenChoice) throws -> Reduction {
    .keep(try Tensor.arange(0, choice.count, on: choice.tokens.device))
  }
}
