/// How many visual tokens a picture is to be read with.
public struct VisualBudget: Sendable, Equatable {
  /// A number, or whatever the server finds fit.
  public enum Amount: Sendable, Equatable {
    /// Exactly this many.
    case tokens(Int)
    /// The most that meet the target for the time to the first token.
    case auto
    /// So many on average over pictures and questions: each picture decides by a rule that was fitted to the model.
    case average(Int)
  }

  /// What is asked for.
  public var amount: Amount
  /// The fewest that will do, for `auto` and under load.
  public var minimum: Int?
  /// The most that are wanted, for `auto`.
  public var maximum: Int?

  /// A budget.
  public init(_ amount: Amount, minimum: Int? = nil, maximum: Int? = nil) {
    (self.amount, self.minimum, self.maximum) = (amount, minimum, maximum)
  }
}

/// What a request says about the visual tokens of all its pictures.
public struct VisualTokensOptions: Sendable, Equatable {
  /// What to do where the target would be missed.
  public enum OnOverload: String, Sendable, CaseIterable {
    /// Wait.
    case queue
    /// Read pictures with fewer tokens, down to the minimum.
    case degrade
    /// Refuse, with status 429.
    case reject
  }

  /// What of the choice is to be told.
  public enum Returned: String, Sendable, CaseIterable {
    /// Counts alone.
    case none
    /// The tokens that were kept, row by row of the patch grid.
    case indices
    /// The picture as the model saw it, as a PNG.
    case overlay
  }

  /// The budget of pictures that have none of their own; nil leaves it to `detail` and the server.
  public var budget: VisualBudget?
  /// Milliseconds to the first token that `auto` and `on_overload` aim at; nil for the server's.
  public var targetTTFT: Double?
  /// What to do where the target would be missed.
  public var onOverload = OnOverload.queue
  /// What of the choice is to be told.
  public var returned = Returned.none

  /// Nothing is said.
  public init(budget: VisualBudget? = nil) { self.budget = budget }
}

/// OpenAI's word for how closely a picture is looked at.
public enum Detail: String, Sendable, CaseIterable {
  /// A ninth of the visual tokens: 64 of 576.
  case low
  /// A third: 192 of 576.
  case medium
  /// All.
  case high
  /// All.
  case original
  /// As the server does without being told.
  case auto
}

extension VisualBudget {
  private static let ofOnePicture = RequestField.names(under: "\(RequestField.part).image_url.visual_tokens")

  /// Reads `64`, `"auto"` or `{"budget": …, "min": …, "max": …}`.
  static func reading(_ node: RequestNode, _ names: Set<String> = VisualBudget.ofOnePicture) throws(APIError) -> VisualBudget? {
    guard case .object = node.value else { return VisualBudget(try amount(node)) }
    try node.requireKnown(names)
    // Larger ones are refused where the picture's tokens are known.
    let minimum = try node["min"]?.integer(1...Int(Int32.max))
    let maximum = try node["max"]?.integer(1...Int(Int32.max))
    if let minimum, let maximum, minimum > maximum {
      throw .invalidValue("\(node.path).min", "\(node.path).min is \(minimum), expected at most max, \(maximum)")
    }
    guard let given = node.given("budget") else {
      return minimum == nil && maximum == nil ? nil : VisualBudget(.auto, minimum: minimum, maximum: maximum)
    }
    let budget = VisualBudget(try amount(given), minimum: minimum, maximum: maximum)
    if case .average = budget.amount, minimum != nil || maximum != nil {
      throw .invalidValue(given.path, "\(given.path) is an average, which min and max do not go with; leave them out")
    }
    if case .tokens(let tokens) = budget.amount {
      for (name, bound, fits) in [
        ("min", minimum, tokens >= minimum ?? 0), ("max", maximum, tokens <= maximum ?? .max),
      ] where !fits {
        throw .invalidValue(
          given.path, "\(given.path) is \(tokens), and \(name) is \(bound ?? 0); leave one of them out or make them agree")
      }
    }
    return budget
  }

  private static func amount(_ node: RequestNode) throws(APIError) -> Amount {
    switch node.value {
    case .string(let bytes) where bytes.elementsEqual("auto".utf8): return .auto
    case .string(let bytes):
      if let tokens = average(String(decoding: bytes, as: UTF8.self)) { return .average(tokens) }
    case .integer(let tokens) where tokens >= 1: return .tokens(tokens)
    default: break
    }
    throw .invalidValue(
      node.path,
      "\(node.path) is \(node.shown), expected a whole number of visual tokens, \"auto\", or an average as in \"auto:64\"")
  }

  /// The number of `auto:64`; nil for another text.
  public static func average(_ text: String) -> Int? {
    guard text.hasPrefix("auto:"), let tokens = Int(text.dropFirst("auto:".count)), tokens >= 1 else { return nil }
    return tokens
  }
}

extension VisualTokensOptions {
  private static let names = RequestField.names(under: "visual_tokens")

  /// Reads the request's `visual_tokens`.
  static func reading(_ node: RequestNode) throws(APIError) -> VisualTokensOptions {
    var options = VisualTokensOptions(budget: try VisualBudget.reading(node, names))
    guard case .object = node.value else { return options }
    if let target = node.given("target_ttft_ms") {
      // Beyond ten minutes there is nothing to aim at.
      options.targetTTFT = min(try target.number(1...Double.greatestFiniteMagnitude), 600_000)
    }
    if let word = node.given("on_overload") { options.onOverload = try word.choice() }
    if let word = node.given("return") { options.returned = try word.choice() }
    return options
  }
}
