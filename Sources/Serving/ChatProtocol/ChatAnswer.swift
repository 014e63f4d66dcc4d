/// What a request cost, in tokens.
public struct Usage: Sendable, Equatable, Encodable {
  /// Where the tokens of a prompt come from.
  public struct PromptDetails: Sendable, Equatable, Encodable {
    /// Those whose keys and values were there already.
    public var cached_tokens: Int
    /// Those of pictures, as they enter the decoder's first layer.
    public var image_tokens: Int
    /// All others.
    public var text_tokens: Int
  }

  /// Tokens that the decoder was given.
  public var prompt_tokens: Int
  /// Tokens of the answer.
  public var completion_tokens: Int
  /// Both.
  public var total_tokens: Int
  /// Where the prompt's come from.
  public var prompt_tokens_details: PromptDetails

  /// A cost.
  public init(prompt: Int, images: Int, cached: Int, completion: Int) {
    (prompt_tokens, completion_tokens, total_tokens) = (prompt, completion, prompt + completion)
    prompt_tokens_details = PromptDetails(cached_tokens: cached, image_tokens: images, text_tokens: prompt - images)
  }
}

/// What became of the visual tokens.
public struct VisualTokensReport: Sendable, Equatable, Encodable {
  /// A picture.
  public struct Picture: Sendable, Equatable, Encodable {
    /// Tokens before any was dropped.
    public var before: Int
    /// Tokens that were left in the end.
    public var kept: Int
    /// Decoder layers before the cut; nil where there is none in the decoder.
    public var cut_layer: Int?
    /// Tokens that a decoder layer sees, the mean over the layers.
    public var average: Double
    /// Whether the picture's keys and values were there already.
    public var cached: Bool
    /// The tokens that were kept, row by row of the patch grid, where they were asked for.
    public var kept_indices: [Int]?
    /// The picture as the model saw it, a data URI of a PNG, where it was asked for.
    public var overlay: String?

    /// A picture's numbers.
    public init(before: Int, kept: Int, cutLayer: Int?, average: Double, cached: Bool) {
      (self.before, self.kept, cut_layer, self.average, self.cached) = (before, kept, cutLayer, average, cached)
    }
  }

  /// Why the pictures have their budgets; that of the first picture where they differ.
  public var reason: BudgetLadder.Reason
  /// The pictures in the order of the request.
  public var images: [Picture]
  /// Bytes of keys and values that all layers hold of the prompt.
  public var kv_cache_bytes: Int

  /// A report.
  public init(reason: BudgetLadder.Reason, images: [Picture], cacheBytes: Int) {
    (self.reason, self.images, kv_cache_bytes) = (reason, images, cacheBytes)
  }
}

/// Why an answer ended, in OpenAI's words.
public enum FinishReason: String, Sendable, Encodable {
  /// It is complete.
  case stop
  /// It is as long as it may be.
  case length
}

/// An answer as a whole.
public struct ChatCompletion: Sendable, Encodable {
  private struct Message: Encodable {
    let role = "assistant"
    let content: String
    func encode(to encoder: any Encoder) throws {
      var fields = encoder.container(keyedBy: Keys.self)
      try fields.encode(role, forKey: .role)
      try fields.encode(content, forKey: .content)
      try fields.encodeNil(forKey: .refusal)
    }
    enum Keys: CodingKey { case role, content, refusal }
  }

  /// The request's name, `chatcmpl-…`.
  public var id: String
  /// When it began, in seconds since 1970.
  public var created: Int
  /// The model's name.
  public var model: String
  /// The text.
  public var content: String
  /// Why it ended.
  public var finish: FinishReason
  /// What it cost.
  public var usage: Usage
  /// What became of the visual tokens; nil without pictures.
  public var visualTokens: VisualTokensReport?

  /// An answer.
  public init(
    id: String, created: Int, model: String, content: String, finish: FinishReason, usage: Usage,
    visualTokens: VisualTokensReport?
  ) {
    (self.id, self.created, self.model, self.content) = (id, created, model, content)
    (self.finish, self.usage, self.visualTokens) = (finish, usage, visualTokens)
  }

  private enum Keys: String, CodingKey { case id, object, created, model, choices, usage, visual_tokens }
  private enum ChoiceKeys: String, CodingKey { case index, message, logprobs, finish_reason }

  /// As OpenAI has it, with `visual_tokens` beside `usage`.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Keys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode("chat.completion", forKey: .object)
    try fields.encode(created, forKey: .created)
    try fields.encode(model, forKey: .model)
    var choices = fields.nestedUnkeyedContainer(forKey: .choices)
    var choice = choices.nestedContainer(keyedBy: ChoiceKeys.self)
    try choice.encode(0, forKey: .index)
    try choice.encode(Message(content: content), forKey: .message)
    try choice.encodeNil(forKey: .logprobs)
    try choice.encode(finish, forKey: .finish_reason)
    try fields.encode(usage, forKey: .usage)
    try fields.encodeIfPresent(visualTokens, forKey: .visual_tokens)
  }
}

/// A piece of a streamed answer.
public struct ChatChunk: Sendable, Encodable {
  /// What a piece holds.
  public enum Content: Sendable {
    /// The beginning: who speaks.
    case role
    /// More text.
    case text(String)
    /// The end.
    case finish(FinishReason)
    /// What the answer cost, without a choice.
    case usage(Usage)
  }

  /// As of the whole answer.
  public var id: String
  /// As of the whole answer.
  public var created: Int
  /// As of the whole answer.
  public var model: String
  /// What is new.
  public var content: Content
  /// What became of the visual tokens, at the end.
  public var visualTokens: VisualTokensReport?
  /// Whether a chunk with the usage comes at the end, and so stands as null in all others.
  public var announcesUsage: Bool

  /// A piece.
  public init(
    id: String, created: Int, model: String, _ content: Content, visualTokens: VisualTokensReport? = nil, announcesUsage: Bool
  ) {
    (self.id, self.created, self.model, self.content) = (id, created, model, content)
    (self.visualTokens, self.announcesUsage) = (visualTokens, announcesUsage)
  }

  private enum Keys: String, CodingKey { case id, object, created, model, choices, usage, visual_tokens }
  private enum ChoiceKeys: String, CodingKey { case index, delta, logprobs, finish_reason }
  private enum DeltaKeys: String, CodingKey { case role, content }

  /// As OpenAI has it, with `visual_tokens` in the last chunk.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Keys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode("chat.completion.chunk", forKey: .object)
    try fields.encode(created, forKey: .created)
    try fields.encode(model, forKey: .model)
    try fields.encodeIfPresent(visualTokens, forKey: .visual_tokens)
    var choices = fields.nestedUnkeyedContainer(forKey: .choices)
    if case .usage(let usage) = content { return try fields.encode(usage, forKey: .usage) }
    if announcesUsage { try fields.encodeNil(forKey: .usage) }
    var choice = choices.nestedContainer(keyedBy: ChoiceKeys.self)
    try choice.encode(0, forKey: .index)
    try choice.encodeNil(forKey: .logprobs)
    var delta = choice.nestedContainer(keyedBy: DeltaKeys.self, forKey: .delta)
    var finish: FinishReason?
    switch content {
    case .role:
      try delta.encode("assistant", forKey: .role)
      try delta.encode("", forKey: .content)
    case .text(let text): try delta.encode(text, forKey: .content)
    case .finish(let reason): finish = reason
    case .usage: break
    }
    try choice.encode(finish, forKey: .finish_reason)
  }
}
