import ChatProtocol
import Engine
import LLaVA
import Synchronization

/// With how many tokens the pictures of a request are read, and why.
struct ChatBudgets: Sendable, Equatable {
  let counts: [Int]
  /// Of the first picture.
  let reason: BudgetLadder.Reason
}

/// Decides on budgets: what is asked for, and what the load allows.
///
/// A number is settled here once and for all, before anything is computed or looked up by it. A picture that was read with fewer tokens than
/// asked for, or with a number that was chosen for it, keeps that number for the further turns of its conversation.
final class BudgetChooser: Sendable {
  private let model: ServedModel
  private let targetTTFT: Double
  /// The numbers that were chosen for pictures, by address and salt, the latest ones.
  private let chosen = Mutex<(numbers: [Int: Int], order: [Int])>(([:], []))
  private static let remembered = 4096

  init(_ model: ServedModel, targetTTFT: Double) { (self.model, self.targetTTFT) = (model, targetTTFT) }

  /// The budgets of a request.
  ///
  /// - Parameters:
  ///   - text: ids beside pictures.
  ///   - load: what there is to do before it.
  /// - Throws: `APIError` for budgets that are not offered, or, where the request wants that, for a target that would be missed.
  func choose(_ chat: ChatRequest, _ pictures: [ImageReference], text: Int, _ load: EngineFigures) throws -> ChatBudgets {
    let target = (chat.visualTokens?.targetTTFT ?? targetTTFT) / 1000
    let averages = try Dictionary(uniqueKeysWithValues: model.ladder.rungs.map { ($0.tokens, try model.average($0.tokens)) })
    func average(_ tokens: Int) throws -> Double { try averages[tokens] ?? model.average(tokens) }
    // What is said of no picture has to be right all the same.
    if pictures.isEmpty, chat.visualTokens?.budget != nil {
      _ = try model.ladder.budget(ImageReference(url: "", path: "messages"), chat.visualTokens)
    }
    var counts: [Int] = []
    var reasons: [BudgetLadder.Reason] = []
    for picture in pictures {
      let (budget, why) = try model.ladder.budget(picture, chat.visualTokens)
      var reason = why
      if budget.amount == .auto, reason == .requested { reason = .auto }
      func fits(_ tokens: Int) -> Bool {
        let rows = Double(text) + Double(pictures.count) * (averages[tokens] ?? Double(tokens))
        return load.expectedSeconds(rows: rows, pictures: pictures.count) <= target
      }
      let key = Self.key(picture, chat)
      let isChosen = budget.amount == .auto || chat.visualTokens?.onOverload == .degrade
      if isChosen, let known = remembered(key), known >= budget.minimum ?? 1, known <= budget.maximum ?? model.ladder.total {
        counts.append(known)
        reasons.append(budget.amount == .auto ? .auto : known == asked(budget) ? reason : .degraded)
        continue
      }
      var tokens = model.ladder.tokens(for: budget, fits: fits)
      if !fits(tokens) {
        switch chat.visualTokens?.onOverload ?? .queue {
        case .queue: break
        case .degrade:
          let fewer = model.ladder.degraded(budget, from: tokens, fits: fits)
          if fewer < tokens { (tokens, reason) = (fewer, .degraded) }
        case .reject:
          throw APIError(
            429, .rateLimit, code: "overloaded", param: "visual_tokens.target_ttft_ms", retryAfter: 1,
            "the first token would come later than target_ttft_ms allows; try again, or allow fewer visual tokens")
        }
      }
      if isChosen { remember(key, tokens) }
      counts.append(tokens)
      reasons.append(reason)
    }
    return ChatBudgets(counts: counts, reason: reasons.first ?? .server)
  }

  private func asked(_ budget: VisualBudget) -> Int? { if case .tokens(let tokens) = budget.amount { tokens } else { nil } }

  private static func key(_ picture: ImageReference, _ chat: ChatRequest) -> Int {
    var hasher = Hasher()
    hasher.combine(picture.url)
    hasher.combine(chat.cacheSalt)
    hasher.combine(picture.budget?.minimum ?? chat.visualTokens?.budget?.minimum)
    hasher.combine(picture.budget?.maximum ?? chat.visualTokens?.budget?.maximum)
    return hasher.finalize()
  }

  private func remembered(_ key: Int) -> Int? { chosen.withLock { $0.numbers[key] } }

  private func remember(_ key: Int, _ tokens: Int) {
    chosen.withLock { chosen in
      if chosen.numbers.updateValue(tokens, forKey: key) == nil { chosen.order.append(key) }
      if chosen.order.count > Self.remembered {
        let old = chosen.order.removeFirst()
        chosen.numbers[old] = nil
      }
    }
  }
}
