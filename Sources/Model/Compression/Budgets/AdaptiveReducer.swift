import Torch

/// Another compressor, with a rule that says for each image how many tokens it leaves.
///
/// `dart:64:rule=by-variety:threshold=0.31@2`. The plan's number is what is left on average; nothing depends on it but how much memory is
/// taken beforehand, and tables. One token is left at least.
struct AdaptiveReducer: TokenReducer {
  let base: any TokenReducer
  let rule: BudgetRule
  let threshold: Double

  init(_ base: any TokenReducer, _ name: String, rule: String?, threshold: String?) throws {
    guard let rule = rule.flatMap(BudgetRule.init) else {
      let names = BudgetRule.allCases.map(\.rawValue).joined(separator: " or ")
      throw CompressionError.badOption("rule", value: rule ?? "missing", expected: names)
    }
    guard let number = threshold.flatMap(Double.init), number.isFinite else {
      throw CompressionError.badOption(
        "threshold", value: threshold ?? "missing", expected: "a number; --keep auto:64 finds it for an average of 64 tokens")
    }
    guard base.sites.contains(.decoder), !base.decidesBudgets else {
      throw CompressionError.badOption(
        "rule", value: rule.rawValue,
        expected: "no rule, as \(name) \(base.decidesBudgets ? "decides by itself" : "does not work in the decoder")")
    }
    (self.base, self.rule, self.threshold) = (base, rule, number)
  }

  /// The decoder, where the compressor works there.
  var sites: [Site.Kind] { base.sites.filter { $0 == .decoder } }
  var needs: ReducerNeeds { base.needs.union(rule.needs) }
  var readsPrompt: Bool { base.readsPrompt || rule.readsPrompt }
  var keepsPositions: Bool { base.keepsPositions }
  var keepsOrder: Bool { base.keepsOrder }
  var weighsBySize: Bool { base.weighsBySize }
  var drawsAtRandom: Bool { base.drawsAtRandom }
  var decidesBudgets: Bool { true }

  func count(ratio: Double, of total: Int) -> Int { base.count(ratio: ratio, of: total) }

  /// This stage's number alone: a share of the image as it was before any stage.
  func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    guard let layer = choice.tokens.site.decoderLayer else { return [:] }
    let total = choice.tokens.layout.counted
    let measured = try rule.measure(choice.tokens, threshold: threshold)
    return [layer: max(1, Int((rule.share(measured, threshold: threshold, of: total) * Double(total)).rounded()))]
  }

  func reduce(_ choice: TokenChoice) throws -> Reduction { try base.reduce(choice) }
  func reduce(_ choices: [TokenChoice]) throws -> [Reduction] { try base.reduce(choices) }
}
