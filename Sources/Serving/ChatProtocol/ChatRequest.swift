/// What `POST /v1/chat/completions` asks for, checked as far as it can be without a model.
public struct ChatRequest: Sendable, Equatable {
  /// The model's name; nil for the one that is served.
  public var model: String?
  /// The conversation; the last message is the user's.
  public var messages: [ChatMessage]
  /// Longest answer, in tokens; nil for whatever fits.
  public var maximumNewTokens: Int?
  /// 0 takes the most likely token always.
  public var temperature = 1.0
  /// Tokens are drawn from the smallest set whose probabilities add up to at least this.
  public var topP = 1.0
  /// Tokens are drawn from the this many most likely ones; 0 for all.
  public var topK = 0
  /// Scores of tokens that occurred already are divided by this.
  public var repetitionPenalty = 1.0
  /// Where random numbers start; nil for anywhere.
  public var seed: UInt64?
  /// Strings at which the answer ends.
  public var stops: [String] = []
  /// Goes on after an end-of-answer token, for benchmarks.
  public var ignoresEnd = false
  /// Whether the answer comes piece by piece.
  public var isStreamed = false
  /// Whether a streamed answer ends with what it cost.
  public var includesUsage = false
  /// Keeps what is cached for this request from others that do not name the same word.
  public var cacheSalt: String?
  /// What is said about visual tokens.
  public var visualTokens: VisualTokensOptions?

  /// The pictures of all messages, in order.
  public var pictures: [ImageReference] { messages.flatMap(\.pictures) }

  /// Reads a body.
  ///
  /// - Throws: `APIError`, which names the first field that is wrong.
  public init(_ body: [UInt8], _ limits: RequestLimits) throws(APIError) {
    let node = RequestNode(try limits.json.parse(body))
    guard case .object = node.value else { throw node.wrongKind("an object") }
    try Self.refuseUnsupported(node)
    model = try node["model"]?.string()
    messages = try Self.messages(node, limits)
    try readSampling(node, limits)
    try readAnswer(node, limits)
    visualTokens = try Self.visualTokens(node)
  }

  private static func messages(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) -> [ChatMessage] {
    guard let list = node["messages"] else { throw .invalidValue("messages", "messages is missing, expected a list") }
    let nodes = try list.elements(1...limits.maximumMessages, "messages")
    var messages: [ChatMessage] = []
    var pictures = 0
    for node in nodes {
      messages.append(try ChatMessage.reading(node, limits))
      pictures += messages.last?.pictures.count ?? 0
      if pictures > limits.maximumPictures {
        throw APIError(
          400, code: "too_many_images", param: "messages",
          "messages show more than \(limits.maximumPictures) pictures; send fewer, or serve with a larger --max-images")
      }
    }
    guard let last = messages.last, last.role == .user else {
      throw .invalidValue("messages", "the last message is not the user's; there is nothing to answer")
    }
    let isSilent = last.parts.allSatisfy { if case .text(let text) = $0 { text.isEmpty } else { false } }
    if isSilent {
      let path = "messages[\(messages.count - 1)].content"
      throw .invalidValue(path, "\(path) is empty; there is nothing to answer")
    }
    return messages
  }

  private mutating func readSampling(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) {
    let lengths = ["max_tokens", "max_completion_tokens"].compactMap { node[$0] }
    for length in lengths {
      let found = try length.integer(1...limits.contextLength)
      if let other = maximumNewTokens, other != found {
        throw .invalidValue(length.path, "max_tokens is \(other) and max_completion_tokens \(found); give one of them")
      }
      maximumNewTokens = found
    }
    temperature = try node["temperature"]?.number(0...100) ?? 1
    topP = try node["top_p"]?.number(Double.leastNormalMagnitude...1) ?? 1
    topK = max(0, try node["top_k"]?.integer(-1...Int(Int32.max)) ?? 0)
    repetitionPenalty = try node["repetition_penalty"]?.number(0.01...100) ?? 1
    seed = try node["seed"].map { node throws(APIError) in UInt64(bitPattern: Int64(try node.integer(Int.min...Int.max))) }
    ignoresEnd = try node["ignore_eos"]?.bool() ?? false
    if let stop = node["stop"] {
      if case .string = stop.value {
        stops = [try stop.string(1...limits.maximumStopBytes)]
      } else {
        for item in try stop.elements(0...limits.maximumStops, "strings") {
          stops.append(try item.string(1...limits.maximumStopBytes))
        }
      }
    }
  }

  private mutating func readAnswer(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) {
    if let count = node["n"], try count.integer(1...1) != 1 { return }
    isStreamed = try node["stream"]?.bool() ?? false
    if let options = node["stream_options"] {
      try options.requireKnown(RequestField.names(under: "stream_options"))
      if !isStreamed { throw .invalidValue("stream_options", "stream_options is given and stream is not true") }
      includesUsage = try options["include_usage"]?.bool() ?? false
      if let each = options["continuous_usage_stats"], try each.bool() {
        throw .unsupported(each.path, "\(each.path) is not supported; the last chunk has the usage")
      }
    }
    cacheSalt = try node["cache_salt"]?.string(1...256, isOneLine: true)
  }

  private static func visualTokens(_ node: RequestNode) throws(APIError) -> VisualTokensOptions? {
    let own = try node.given("visual_tokens").map { node throws(APIError) in try VisualTokensOptions.reading(node) }
    guard let kwargs = node["mm_processor_kwargs"] else { return own }
    for (name, member) in try kwargs.members() where name != "visual_tokens" {
      throw .unsupported(
        member.path.shortened(120),
        "\(member.path.shortened(120)) is not supported; visual_tokens sets how closely pictures are looked at")
    }
    guard let alias = kwargs.given("visual_tokens") else { return own }
    let other = try VisualTokensOptions.reading(alias)
    if let own, own != other {
      throw .invalidValue(alias.path, "visual_tokens and \(alias.path) differ; give one of them")
    }
    return other
  }
}
