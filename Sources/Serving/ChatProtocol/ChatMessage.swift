/// A message of a conversation.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable {
    /// Instructions for the whole conversation; OpenAI's newer name for it is developer.
    case system, developer
    /// Who asks.
    case user
    /// Who answers.
    case assistant
  }

  /// A piece of a message.
  public enum Part: Sendable, Equatable {
    /// Words.
    case text(String)
    /// A picture or a video.
    case picture(ImageReference)
  }

  /// Who speaks.
  public var role: Role
  /// What is said and shown, in order.
  public var parts: [Part]

  /// A message.
  public init(_ role: Role, _ parts: [Part]) { (self.role, self.parts) = (role, parts) }

  /// The pictures and videos, in order.
  public var pictures: [ImageReference] {
    parts.compactMap { if case .picture(let picture) = $0 { picture } else { nil } }
  }
}

/// A picture or a video that a message shows.
public struct ImageReference: Sendable, Equatable {
  /// Where it is: a data URI, or a URL.
  public var url: String
  /// How closely it is to be looked at.
  public var detail: Detail?
  /// Its own budget.
  public var budget: VisualBudget?
  /// Where it stands in the request: `messages[0].content[1].image_url`.
  public var path: String
  /// True for a video.
  public var isVideo: Bool

  /// A picture or a video.
  public init(url: String, detail: Detail? = nil, budget: VisualBudget? = nil, path: String, isVideo: Bool = false) {
    (self.url, self.detail, self.budget, self.path, self.isVideo) = (url, detail, budget, path, isVideo)
  }
}

extension ChatMessage {
  private static let known: Set<String> = ["role", "content"]
  /// Members that clients send back with an answer that they were given; they have to be empty.
  private static let unused: Set<String> = [
    "name", "refusal", "annotations", "audio", "tool_calls", "tool_call_id", "function_call", "reasoning_content", "reasoning",
  ]

  package static func reading(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) -> ChatMessage {
    for (name, member) in try node.members() where unused.contains(name) && !member.isEmpty {
      throw .unsupported(member.path, "\(member.path) is not supported; leave it out")
    }
    try node.requireKnown(known.union(unused))
    guard let role = node["role"] else { throw .invalidValue("\(node.path).role", "\(node.path).role is missing") }
    let speaker: Role = try role.choice()
    guard let content = node["content"] else {
      throw .invalidValue("\(node.path).content", "\(node.path).content is missing, expected a string or a list of parts")
    }
    if case .string = content.value { return ChatMessage(speaker, [.text(try text(content, limits))]) }
    var parts: [Part] = []
    for part in try content.elements(0...limits.maximumParts, "parts") { parts.append(try self.part(part, speaker, limits)) }
    return ChatMessage(speaker, parts)
  }

  private static func part(_ node: RequestNode, _ role: Role, _ limits: RequestLimits) throws(APIError) -> Part {
    guard let type = node["type"] else { throw .invalidValue("\(node.path).type", "\(node.path).type is missing") }
    switch try type.string() {
    case "text":
      try node.requireKnown(["type", "text"])
      guard let words = node["text"] else { throw .invalidValue("\(node.path).text", "\(node.path).text is missing") }
      return .text(try text(words, limits))
    case let name where name == "image_url" || name == "video_url":
      let isVideo = name == "video_url"
      if role != .user {
        let noun = isVideo ? "video" : "picture"
        throw .invalidValue(node.path, "\(node.path) is a \(noun) in a message of the \(role); users show \(noun)s")
      }
      try node.requireKnown(["type", name])
      guard let medium = node[name] else { throw .invalidValue("\(node.path).\(name)", "\(node.path).\(name) is missing") }
      return .picture(try picture(medium, isVideo: isVideo))
    case "input_audio", "audio_url", "file", "refusal", "image_embeds", "prompt_embeds", "image_pil", "input_image":
      throw .unsupported(
        type.path, "\(type.path) \(type.shown) is not supported; known are \"text\", \"image_url\" and \"video_url\"")
    default:
      throw .invalidValue(type.path, "\(type.path) is \(type.shown), expected \"text\", \"image_url\" or \"video_url\"")
    }
  }

  private static func text(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) -> String {
    let text = try node.string(0...limits.maximumTextBytes)
    // Stands for "not a special token" further in, and is no character of any text.
    if text.unicodeScalars.contains(where: { $0.value == 0xFDD1 }) {
      throw .invalidValue(node.path, "\(node.path) has the noncharacter U+FDD1; leave it out")
    }
    return text
  }

  private static func picture(_ node: RequestNode, isVideo: Bool) throws(APIError) -> ImageReference {
    let sizes: Set<String> = [
      "max_pixels", "min_pixels", "max_dynamic_patch", "min_dynamic_patch", "resized_height", "resized_width",
    ]
    for (name, member) in try node.members() where sizes.contains(name) {
      throw .unsupported(member.path, "\(member.path) is not supported; visual_tokens sets how closely a picture is looked at")
    }
    try node.requireKnown(isVideo ? ["url", "visual_tokens"] : ["url", "detail", "visual_tokens"])
    guard let url = node["url"] else { throw .invalidValue("\(node.path).url", "\(node.path).url is missing") }
    var found = ImageReference(url: try url.string(1...Int.max), path: node.path, isVideo: isVideo)
    found.detail = try node["detail"]?.choice()
    if let budget = node.given("visual_tokens") { found.budget = try VisualBudget.reading(budget) }
    return found
  }
}
