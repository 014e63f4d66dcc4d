import Foundation

/// One answer as its client saw it.
public struct LoadSample: Sendable, Equatable {
  /// The HTTP status; 0 where there was none.
  public var status = 0
  /// The budget that was asked for.
  public var budget: String?
  /// Seconds to the first token and to the end, and between tokens.
  public var first: Double?, total = 0.0, between: [Double] = []
  /// Tokens of prompt and answer.
  public var promptTokens = 0, newTokens = 0
  /// Whether it is complete.
  public var isComplete = false

  /// Nothing has come.
  public init() {}

  /// Seconds for each token after the first.
  public var each: Double? {
    guard let first, newTokens > 1 else { return nil }
    return (total - first) / Double(newTokens - 1)
  }
}

/// What a load test found.
public struct LoadReport: Sendable, Equatable, Encodable {
  /// Numbers of many samples.
  public struct Spread: Sendable, Equatable, Encodable {
    /// Samples.
    public let count: Int
    /// Milliseconds.
    public let mean, p50, p90, p99, max: Double

    /// The spread of seconds; nil of none.
    init?(_ seconds: [Double]) {
      if seconds.isEmpty { return nil }
      let sorted = seconds.sorted().map { $0 * 1000 }
      // The nearest rank: a value that was measured.
      func rank(_ share: Double) -> Double {
        sorted[Swift.min(sorted.count - 1, Swift.max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))]
      }
      (count, mean) = (sorted.count, sorted.reduce(0, +) / Double(sorted.count))
      (p50, p90, p99, max) = (rank(0.5), rank(0.9), rank(0.99), rank(1))
    }
  }

  /// The answers of one budget.
  public struct Part: Sendable, Equatable, Encodable {
    /// The budget; nil for the server's own.
    public let budget: String?
    /// Requests, and those that were answered.
    public let requests, completed: Int
    /// Requests by status where that is not 200.
    public let failures: [String: Int]
    /// To the first token, for each further one, between two, and to the end.
    public let ttft, tpot, itl, e2e: Spread?
  }

  /// Seconds that all took.
  public let seconds: Double
  /// Answers, tokens of answers and pictures in a second.
  public let requestsPerSecond, tokensPerSecond, imagesPerSecond: Double
  /// Answers in a second that were as quick as was asked for; nil where nothing was.
  public let goodput: Double?
  /// All requests.
  public let all: Part
  /// Each budget, where there are several.
  public let budgets: [Part]

  init(_ samples: [LoadSample], seconds: Double, _ plan: LoadPlan) {
    func part(_ budget: String?, _ samples: [LoadSample]) -> Part {
      let complete = samples.filter(\.isComplete)
      let failures = Dictionary(samples.filter { !$0.isComplete }.map { ("\($0.status)", 1) }, uniquingKeysWith: +)
      return Part(
        budget: budget, requests: samples.count, completed: complete.count, failures: failures,
        ttft: Spread(complete.compactMap(\.first)), tpot: Spread(complete.compactMap(\.each)),
        itl: Spread(complete.flatMap(\.between)),
        e2e: Spread(complete.map(\.total)))
    }
    let complete = samples.filter(\.isComplete)
    self.seconds = seconds
    requestsPerSecond = Double(complete.count) / seconds
    tokensPerSecond = Double(complete.reduce(0) { $0 + $1.newTokens }) / seconds
    imagesPerSecond = plan.pictures.isEmpty ? 0 : requestsPerSecond
    let isAsked = plan.goodFirst != nil || plan.goodEach != nil
    let good = complete.filter { sample in
      (sample.first ?? 0) * 1000 <= plan.goodFirst ?? .infinity && (sample.each ?? 0) * 1000 <= plan.goodEach ?? .infinity
    }
    goodput = isAsked ? Double(good.count) / seconds : nil
    all = part(nil, samples)
    budgets = plan.budgets.count < 2 ? [] : plan.budgets.map { budget in part(budget, samples.filter { $0.budget == budget }) }
  }
}
