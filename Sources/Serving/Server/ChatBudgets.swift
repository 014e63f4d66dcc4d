import ChatProtocol
import Engine
import LLaVA
import Synchronization

/// With how many tokens the pictures of a request are read, and why.
struct ChatBudgets: Sendable {
  let counts: [Int]
  /// True where these are averages, and each picture decides.
  let areAverages: Bool
  /// Of the first picture.
  let reason: BudgetLadder.Reason
  /// Its place among those that wait for a first token.
  let entry: Backlog.Entry
}

/// Decides on budgets: what is asked for, and what the load allows.
///
/// A number is settled here once and for all, before anything is computed or looked up by it. A picture that was read with fewer tokens than
/// asked for, or with a number that was chosen for it, keeps that number for the further turns of its conversation.
final class BudgetChooser: Sendable {
  /// The numbers with which pictures were read, by address and salt, the latest ones.
  private struct Numbers {
    /// A number, and whether it was chosen or asked for.
    typealias Number = (tokens: Int, isChosen: Bool)

    /// Share of the latest requests that were refused.
    var refused = 0.0
    private(set) var known: [Int: Number] = [:]
    private var order: [Int] = []

    mutating func remember(_ key: Int, _ number: Number) {
      if known.updateValue(number, forKey: key) == nil { order.append(key) }
      if order.count > 4096 { known[order.removeFirst()] = nil }
    }
  }

  private let model: ServedModel
  private let engine: Engine
  private let targetTTFT: Double
  private let numbers = Mutex(Numbers())

  init(_ model: ServedModel, _ engine: Engine, targetTTFT: Double) {
    (self.model, self.engine, self.targetTTFT) = (model, engine, targetTTFT)
  }

  /// The budgets of a request, one request after the other, so that each reckons with those before it.
  ///
  /// - Parameter text: ids beside pictures.
  /// - Throws: `APIError` for budgets that are not offered, or, where the request wants that, for a target that would be missed.
  func choose(_ chat: ChatRequest, _ pictures: [ImageReference], text: Int) throws -> ChatBudgets {
    try numbers.withLock { try choose(chat, pictures, text: text, &$0) }
  }

  private func choose(
    _ chat: ChatRequest, _ pictures: [ImageReference], text: Int, _ numbers: inout Numbers
  ) throws -> ChatBudgets {
    let target = (chat.visualTokens?.targetTTFT ?? targetTTFT) / 1000
    let onOverload = chat.visualTokens?.onOverload ?? .queue
    let lateness = engine.backlog.lateness
    // What is said of no picture has to be right all the same.
    if pictures.isEmpty, chat.visualTokens?.budget != nil {
      _ = try model.ladder.budget(ImageReference(url: "", path: "messages"), chat.visualTokens)
    }
    var averages: [Int: Double] = [:]
    for rung in model.ladder.rungs { averages[rung.tokens] = try model.average(rung.tokens) }
    var found: [(key: Int, number: Numbers.Number)] = []
    var reasons: [BudgetLadder.Reason] = []
    var areAverages: [Bool] = []
    var decided = Backlog.Work(rows: Double(text), pictures: 0)
    for (index, picture) in pictures.enumerated() {
      let (budget, why) = try model.ladder.budget(picture, chat.visualTokens)
      let asked: Int?
      switch budget.amount {
      case .tokens(let tokens), .average(let tokens): asked = tokens
      case .auto: asked = nil
      }
      let isAverage = if case .average = budget.amount { true } else { false }
      areAverages.append(isAverage)
      if let asked, averages[asked] == nil { averages[asked] = try model.average(asked) }
      func work(_ tokens: Int, pictures: Int) -> Backlog.Work {
        let rows = Double(pictures) * (averages[tokens] ?? Double(tokens))
        return .init(rows: decided.rows + rows, pictures: decided.pictures + pictures)
      }
      // Pictures behind this one are taken to be as large. While requests are refused, those that are let in leave room for others.
      func fits(_ tokens: Int) -> Bool {
        engine.forecast(work(tokens, pictures: pictures.count - index)).seconds * lateness <= target * (1 - numbers.refused)
      }
      let key = Self.key(picture, chat)
      let mayChange = asked == nil || onOverload == .degrade
      let known = numbers.known[key].flatMap { number in
        number.tokens >= budget.minimum ?? 1 && number.tokens <= budget.maximum ?? .max ? number : nil
      }
      var tokens: Int
      if mayChange, let known, known.isChosen {
        tokens = known.tokens
      } else {
        tokens = model.ladder.tokens(for: budget, fits: fits)
        if onOverload == .degrade, !fits(tokens) { tokens = model.ladder.degraded(budget, from: tokens, fits: fits) }
      }
      // A picture that was read with this number is there already.
      if known?.tokens == tokens { decided.rows += try model.averageAgain(tokens) } else { decided = work(tokens, pictures: 1) }
      found.append((key, (tokens, mayChange)))
      reasons.append(
        asked == nil ? (why == .requested ? .auto : why) : asked != tokens ? .degraded : isAverage ? .average : why)
    }
    let counts = found.map(\.number.tokens)
    if areAverages.contains(true), areAverages.contains(false) || Set(counts).count > 1 {
      throw APIError.invalidValue("visual_tokens", "an average is one for all pictures of a request; give every picture the same")
    }
    let forecast = engine.forecast(decided)
    let late = forecast.seconds * lateness - Self.limit(forecast, target: target, onOverload, lateness)
    numbers.refused = 0.9 * numbers.refused + (late > 0 ? 0.1 : 0)
    if late > 0 {
      throw APIError(
        429, .rateLimit, code: "overloaded", param: "visual_tokens.target_ttft_ms",
        retryAfter: max(1, Int(min(late, 60).rounded(.up))),
        "the first token would come later than target_ttft_ms allows; try again, or allow fewer visual tokens")
    }
    for (key, number) in found { numbers.remember(key, number) }
    return ChatBudgets(
      counts: counts, areAverages: areAverages.contains(true), reason: reasons.first ?? .server,
      entry: engine.backlog.enter(decided, expected: forecast.seconds, isTelling: forecast.seconds > target / 4))
  }

  /// The latest that a first token may come, in seconds, or the request is refused.
  ///
  /// Where even an idle server takes longer than the target for the fewest tokens, a request that may be degraded is refused only if others
  /// make it wait as long again.
  private static func limit(
    _ forecast: Engine.Forecast, target: Double, _ onOverload: VisualTokensOptions.OnOverload, _ lateness: Double
  ) -> Double {
    switch onOverload {
    case .queue: .infinity
    case .degrade: max(target, 2 * forecast.alone * lateness)
    case .reject: target
    }
  }

  private static func key(_ picture: ImageReference, _ chat: ChatRequest) -> Int {
    var hasher = Hasher()
    hasher.combine(picture.url)
    hasher.combine(chat.cacheSalt)
    hasher.combine(picture.budget?.minimum ?? chat.visualTokens?.budget?.minimum)
    hasher.combine(picture.budget?.maximum ?? chat.visualTokens?.budget?.maximum)
    return hasher.finalize()
  }
}
