import Basics
import Foundation

/// What is asked of a server, and when.
public struct LoadPlan: Sendable {
  /// When requests are sent.
  public enum Arrival: Sendable, Equatable {
    /// So many are under way at any time: the next is sent when one is complete.
    case closed(concurrency: Int)
    /// So many a second on average, whatever becomes of them.
    ///
    /// Times between two are drawn from a gamma distribution of shape `burstiness` and mean 1 / rate: 1 is a Poisson process, less is
    /// burstier, more is more even.
    case open(rate: Double, burstiness: Double)
  }

  /// Where the server is: `http://127.0.0.1:8000`.
  public var url = "http://127.0.0.1:8000"
  /// The key that requests bring.
  public var key: String?
  /// What requests call the model; the first that the server lists unless given.
  public var model: String?
  /// Whether requests have OpenAI's fields alone, as some servers refuse others.
  ///
  /// Answers may then end before `newTokens`.
  public var hasStandardFieldsOnly = false
  /// When requests are sent.
  public var arrival = Arrival.closed(concurrency: 1)
  /// Requests that are counted.
  public var requests = 64
  /// Requests before them.
  public var warmup = 2
  /// Visual tokens of the requests, one after the other; nil says nothing about them.
  public var budgets: [String?] = [nil]
  /// What the server is to do where its target would be missed: queue, degrade or reject; nil says nothing.
  public var onOverload: String?
  /// Data URIs of pictures; none for text alone.
  public var pictures: [String] = []
  /// Questions that each picture is asked.
  public var questions = 4
  /// Words of a question, and tokens of an answer.
  public var words = 64, newTokens = 32
  /// Milliseconds to the first token, and for each further one, that a good answer takes at most.
  public var goodFirst: Double?, goodEach: Double?
  /// Where random numbers start.
  public var seed: UInt64 = 0

  /// The usual load.
  public init() {}

  /// Seconds from the start at which requests are sent, of an open loop.
  func times(rate: Double, burstiness: Double) -> [Double] {
    var random = SplitMix64(seed: seed, stream: 1)
    var time = 0.0
    return (0..<requests).map { _ in
      defer { time += Self.gamma(shape: burstiness, &random) / (rate * burstiness) }
      return time
    }
  }

  /// A number of a gamma distribution of scale 1 (Marsaglia and Tsang: A Simple Method for Generating Gamma Variables, 2000).
  static func gamma(shape: Double, _ random: inout SplitMix64) -> Double {
    if shape < 1 {
      let uniform = Double.random(in: Double.leastNormalMagnitude..<1, using: &random)
      return gamma(shape: shape + 1, &random) * pow(uniform, 1 / shape)
    }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      // Box and Muller's normal numbers.
      let (u, v) = (Double.random(in: Double.leastNormalMagnitude..<1, using: &random), Double.random(in: 0..<1, using: &random))
      let normal = (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
      let cube = pow(1 + c * normal, 3)
      if cube <= 0 { continue }
      let uniform = Double.random(in: Double.leastNormalMagnitude..<1, using: &random)
      if log(uniform) < 0.5 * normal * normal + d - d * cube + d * log(cube) { return d * cube }
    }
  }

  /// The body of a request: pictures are asked one question after the other, in runs or spread over all as they come.
  func body(_ number: Int, model: String) throws -> Data {
    var random = SplitMix64(seed: seed, stream: UInt64(number) &+ 2)
    let words = (0..<words).map { _ in ["red", "blue", "left", "right", "large", "small", "cat", "dog"][random.next(below: 8)] }
    var content: [Body.Part] = []
    if !pictures.isEmpty {
      content.append(.init(type: "image_url", image_url: .init(url: pictures[number / max(1, questions) % pictures.count])))
    }
    content.append(.init(type: "text", text: words.joined(separator: " ")))
    let budget = budgets[number % budgets.count]
    return try Body(
      model: model, messages: [.init(role: "user", content: content)], max_tokens: newTokens,
      ignore_eos: hasStandardFieldsOnly ? nil : true,
      visual_tokens: budget == nil && onOverload == nil ? nil : .init(budget: budget, on_overload: onOverload)
    ).jsonData()
  }
}

private struct Body: Encodable {
  struct Picture: Encodable { let url: String }
  struct Part: Encodable {
    let type: String
    var text: String?
    var image_url: Picture?
  }
  struct Message: Encodable {
    let role: String
    let content: [Part]
  }
  struct Options: Encodable { let include_usage = true }
  struct Budget: Encodable {
    enum CodingKeys: CodingKey { case budget, on_overload }
    let budget: String?
    let on_overload: String?
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      if let budget, let tokens = Int(budget) {
        try values.encode(tokens, forKey: .budget)
      } else {
        try values.encodeIfPresent(budget, forKey: .budget)
      }
      try values.encodeIfPresent(on_overload, forKey: .on_overload)
    }
  }
  let model: String
  let messages: [Message]
  let max_tokens: Int
  let ignore_eos: Bool?
  let visual_tokens: Budget?
  let temperature = 0
  let stream = true
  let stream_options = Options()
}
