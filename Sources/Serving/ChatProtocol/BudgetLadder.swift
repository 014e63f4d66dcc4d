/// The budgets that a server offers, and what is known about each.
public struct BudgetLadder: Sendable, Equatable {
  /// A budget and how well the model does with it.
  public struct Rung: Sendable, Equatable {
    /// Visual tokens of a picture.
    public var tokens: Int
    /// The mean over the benchmarks that were asked, in percent; nil where it was not evaluated.
    public var accuracy: Double?
    /// Scores by benchmark, in percent.
    public var scores: [String: Double]

    /// A rung.
    public init(_ tokens: Int, accuracy: Double? = nil, scores: [String: Double] = [:]) {
      (self.tokens, self.accuracy, self.scores) = (tokens, accuracy, scores)
    }
  }

  /// Visual tokens of a picture before any is dropped.
  public let total: Int
  /// Ascending.
  public let rungs: [Rung]
  /// Whether other numbers than the rungs may be asked for.
  public let allowsOthers: Bool
  /// The budget of pictures about which nobody says anything.
  public let standard: VisualBudget
  /// Whether averages may be asked for, which pictures decide on.
  public let allowsAverages: Bool

  /// A ladder; the budget of all tokens is always one of its rungs.
  ///
  /// - Parameter standard: nil for all tokens.
  public init(
    total: Int, rungs: [Rung], allowsOthers: Bool, standard: VisualBudget? = nil, allowsAverages: Bool = false
  ) {
    self.total = total
    self.allowsAverages = allowsAverages
    let known = Dictionary((rungs + [Rung(total)]).filter { (1...total).contains($0.tokens) }.map { ($0.tokens, $0) }) {
      first, _ in
      first
    }
    self.rungs = known.values.sorted { $0.tokens < $1.tokens }
    self.allowsOthers = allowsOthers
    self.standard = standard ?? VisualBudget(.tokens(total))
  }

  /// A third, a ninth and so on, down to 9 tokens: a ladder for a model of which nothing is known.
  public static func usual(total: Int) -> [Rung] {
    sequence(first: total) { $0 / 3 }.prefix { $0 >= 9 }.map { Rung($0) }
  }

  /// Why a picture has its budget.
  public enum Reason: String, Sendable, Encodable {
    /// The request names it.
    case requested
    /// It follows from `detail`.
    case detail
    /// It is the server's.
    case server
    /// It is the largest that meets the target.
    case auto
    /// The picture decided, by a rule.
    case average
    /// There was too much to do for what was asked.
    case degraded
  }

  /// What counts for a picture: its own budget before the request's, before its `detail`, before the server's.
  ///
  /// - Throws: `APIError` for a number that is not offered, naming the field.
  public func budget(_ picture: ImageReference, _ options: VisualTokensOptions?) throws(APIError) -> (VisualBudget, Reason) {
    if let own = picture.budget { return (try checked(own, "\(picture.path).visual_tokens"), .requested) }
    if let shared = options?.budget { return (try checked(shared, "visual_tokens"), .requested) }
    switch picture.detail {
    case .low: return (VisualBudget(.tokens(nearest(total / 9))), .detail)
    case .medium: return (VisualBudget(.tokens(nearest(total / 3))), .detail)
    case .high, .original: return (VisualBudget(.tokens(total)), .detail)
    case .auto, nil: return (standard, .server)
    }
  }

  /// The number for a budget.
  ///
  /// - Parameter fits: whether a number meets the target.
  /// - Returns: for `auto` the largest rung that fits, or else the smallest that may be taken.
  public func tokens(for budget: VisualBudget, fits: (Int) -> Bool) -> Int {
    switch budget.amount {
    case .tokens(let tokens), .average(let tokens): return tokens
    case .auto: break
    }
    return largest(budget, below: budget.maximum ?? total, fits)
  }

  /// Fewer tokens for a budget that does not fit; its own number where nothing smaller may be taken.
  public func degraded(_ budget: VisualBudget, from tokens: Int, fits: (Int) -> Bool) -> Int {
    min(tokens, largest(budget, below: tokens, fits))
  }

  private func largest(_ budget: VisualBudget, below maximum: Int, _ fits: (Int) -> Bool) -> Int {
    let usable = rungs.map(\.tokens).filter { $0 >= budget.minimum ?? 1 && $0 <= maximum }
    return usable.last(where: fits) ?? usable.first ?? maximum
  }

  private func nearest(_ tokens: Int) -> Int {
    let tokens = max(1, tokens)
    if allowsOthers { return tokens }
    return rungs.min { abs($0.tokens - tokens) < abs($1.tokens - tokens) }?.tokens ?? total
  }

  private func checked(_ budget: VisualBudget, _ path: String) throws(APIError) -> VisualBudget {
    let allowed = allowsOthers ? "1 to \(total)" : "one of " + rungs.map { "\($0.tokens)" }.joined(separator: ", ")
    func check(_ tokens: Int, _ path: String) throws(APIError) {
      if (1...total).contains(tokens), allowsOthers || rungs.contains(where: { $0.tokens == tokens }) { return }
      throw .invalidValue(path, "\(path) is \(tokens), expected \(allowed)")
    }
    switch budget.amount {
    case .tokens(let tokens): try check(tokens, path)
    case .average(let tokens):
      if !allowsAverages {
        throw .unsupported(
          path, "\(path) is an average, and nothing is known about what pictures need; run epic fit on the model")
      }
      if !(1...total).contains(tokens) {
        throw .invalidValue(path, "\(path) is auto:\(tokens), expected auto:1 to auto:\(total)")
      }
    case .auto: break
    }
    for (name, bound) in [("min", budget.minimum), ("max", budget.maximum)] {
      if let bound, !(1...total).contains(bound) {
        throw .invalidValue("\(path).\(name)", "\(path).\(name) is \(bound), expected 1 to \(total)")
      }
    }
    let (least, most) = (budget.minimum ?? 1, budget.maximum ?? total)
    if case .auto = budget.amount, !rungs.contains(where: { (least...max(least, most)).contains($0.tokens) }) {
      throw .invalidValue(path, "\(path) leaves none of the budgets \(rungs.map { "\($0.tokens)" }.joined(separator: ", "))")
    }
    return budget
  }
}
