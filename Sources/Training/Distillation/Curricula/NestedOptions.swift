/// What pulls the budgets of a nested curriculum.
public enum NestedTeacher: String, Sendable, CaseIterable {
  /// Nothing: labels alone.
  case none
  /// The step's own branch of all tokens; in steps without one, labels alone.
  case full
  /// The next larger budget of the step.
  case chain
  /// The model that training began with, at all tokens.
  case frozen
  /// Both neighbours, each of the other: competitive distillation, in which the larger budget learns too.
  case mutual
  /// The mean distribution of all budgets of the step: all are aligned with it.
  case mean
}

/// What goes from easy to hard in a nested curriculum.
public enum NestedProgression: String, Sendable, CaseIterable {
  /// Nothing: everything is in play from the first step on.
  case none
  /// The smallest budget in play, from all tokens down.
  case tokens
  /// The layers in play, from deep to shallow.
  case layers
}

/// The constants of curricula with several budgets in one step.
public struct NestedOptions: Sendable, Equatable {
  /// Visual tokens of a picture.
  public var tokens = 576
  /// The smallest budget; a sixteenth of all tokens where it is nil.
  public var smallest: Int?
  /// Budgets between all tokens and the smallest, drawn for each sample.
  public var between = 1
  /// Fixed budgets in place of drawn ones.
  public var ladder: [Int]?
  /// Steps from one with all tokens to the next; 0 for none.
  public var fullEvery = 1
  /// One budget for each sample in place of several for all.
  public var mixes = false
  /// What pulls the budgets.
  public var teacher = NestedTeacher.full
  /// What goes from easy to hard.
  public var progression = NestedProgression.none
  /// Layers before which tokens are dropped, one drawn for each sample and branch; nil for the one of all curricula.
  public var cutLayers: [Int]?
  /// Parts of the loss that all tokens, each budget between, and the smallest budget have, in proportion.
  public var shares = [1.0, 1, 1]
  /// λ of the same three; nil for that of the run, and 0 for all tokens unless they learn from the others.
  public var divergenceWeights: [Double]?

  /// The smallest budget in tokens.
  public var smallestTokens: Int { min(tokens, smallest ?? max(1, tokens / 16)) }

  /// Names every value that makes no sense.
  func problems(layers: Int, _ problem: (CurriculumOptions.Name, _ value: Any, _ expected: String) -> Void) {
    let most = 1 << 16
    if !(1...most).contains(tokens) { problem(.visualTokens, tokens, "1...\(most), the visual tokens of a picture") }
    let all = max(1, tokens)
    if let smallest, !(1...all).contains(smallest) { problem(.smallest, smallest, "1...\(all), tokens that stay of a picture") }
    if !(0...16).contains(between) { problem(.between, between, "0...16") }
    if let ladder, ladder.isEmpty || ladder.count > 16 || !ladder.allSatisfy((1...all).contains) {
      problem(.ladder, ladder, "1 to 16 numbers within 1...\(all)")
    }
    if !(0...most).contains(fullEvery) { problem(.fullEvery, fullEvery, "0...\(most)") }
    if let cutLayers, cutLayers.isEmpty || !cutLayers.allSatisfy((1...max(1, layers)).contains) {
      problem(.cutLayers, cutLayers, "layers within 1...\(max(1, layers))")
    }
    if shares.count != 3 || !shares.allSatisfy({ $0 >= 0 && $0.isFinite }) || !shares.contains(where: { $0 > 0 }) {
      problem(.shares, shares, "three numbers of 0 or more, not all 0")
    }
    if let weights = divergenceWeights, weights.count != 3 || !weights.allSatisfy((0...1).contains) {
      problem(.divergenceWeights, weights, "three shares within 0...1")
    }
  }
}
