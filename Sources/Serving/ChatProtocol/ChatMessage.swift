import Language

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
    /// A picture, a video or sound.
    case picture(ImageReference)
  }

  /// Who speaks.
  public var role: Role
  /// What is said and shown, in order.
  public var parts: [Part]

  /// A message.
  public init(_ role: Role, _ parts: [Part]) { (self.role, self.parts) = (role, parts) }

  /// Pictures, videos and sound, in order.
  public var pictures: [ImageReference] {
    parts.compactMap { if case .picture(let picture) = $0 { picture } else { nil } }
  }
}

/// A picture, a video or sound that a message holds.
public struct ImageReference: Sendable, Equatable {
  /// Where it is: a data URI, or a URL.
  public var url: String
  /// How closely it is to be looked at.
  public var detail: Detail?
  /// Its own budget.
  public var budget: VisualBudget?
  /// Where it stands in the request: `messages[0].content[1].image_url`.
  public var path: String
  /// What it is.
  public var medium: Medium

  /// A picture, or what `medium` says.
  public init(url: String, detail: Detail? = nil, budget: VisualBudget? = nil, path: String, medium: Medium = .image) {
    (self.url, self.detail, self.budget, self.path, self.medium) = (url, detail, budget, path, medium)
  }
}

extension ChatMessage {
  private static let known = RequestField.names(under: "messages[]")
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
    case let name where media[name] != nil:
      let kind = media[name] ?? .image
      if role != .user {
        throw .invalidValue(node.path, "\(node.path) is \(kind.noun) in a message of the \(role); users alone give \(kind.noun)")
      }
      try node.requireKnown(["type", name])
      guard let medium = node[name] else { throw .invalidValue("\(node.path).\(name)", "\(node.path).\(name) is missing") }
      return .picture(try name == "input_audio" ? inputAudio(medium) : picture(medium, kind, name))
    case "file", "refusal", "image_embeds", "prompt_embeds", "image_pil", "input_image":
      throw .unsupported(type.path, "\(type.path) \(type.shown) is not supported; known are \(kinds)")
    default: throw .invalidValue(type.path, "\(type.path) is \(type.shown), expected one of \(kinds)")
    }
  }

  /// Types of parts that hold a medium.
  private static let media: [String: Medium] = [
    "image_url": .image, "video_url": .video, "audio_url": .audio, "input_audio": .audio,
  ]
  /// What the object of each of these types may hold.
  private static let fields = Dictionary(
    uniqueKeysWithValues: media.keys.map { ($0, RequestField.names(under: "\(RequestField.part).\($0)")) })
  private static let kinds = #""text", "image_url", "video_url", "audio_url" and "input_audio""#

  /// OpenAI's way to give sound: base64 and the name of its format.
  private static func inputAudio(_ node: RequestNode) throws(APIError) -> ImageReference {
    try node.requireKnown(fields["input_audio"] ?? [])
    guard let data = node["data"] else { throw .invalidValue("\(node.path).data", "\(node.path).data is missing") }
    let format = try node["format"]?.string(1...32, isOneLine: true) ?? "wav"
    let url = "data:audio/\(format);base64,\(try data.string(1...Int.max))"
    var found = ImageReference(url: url, path: node.path, medium: .audio)
    if let budget = node.given("visual_tokens") { found.budget = try VisualBudget.reading(budget) }
    return found
  }

  private static func text(_ node: RequestNode, _ limits: RequestLimits) throws(APIError) -> String {
    let text = try node.string(0...limits.maximumTextBytes)
    // Stands for "not a special token" further in, and is no character of any text.
    if text.unicodeScalars.contains(where: { $0.value == 0xFDD1 }) {
      throw .invalidValue(node.path, "\(node.path) has the noncharacter U+FDD1; leave it out")
    }
    return text
  }

  private static func picture(_ node: RequestNode, _ medium: Medium, _ name: String) throws(APIError) -> ImageReference {
    let sizes: Set<String> = [
      "max_pixels", "min_pixels", "max_dynamic_patch", "min_dynamic_patch", "resized_height", "resized_width",
    ]
    for (name, member) in try node.members() where sizes.contains(name) {
      throw .unsupported(member.path, "\(member.path) is not supported; visual_tokens sets how closely a picture is looked at")
    }
    try node.requireKnown(fields[name] ?? [])
    guard let url = node["url"] else { throw .invalidValue("\(node.path).url", "\(node.path).url is missing") }
    var found = ImageReference(url: try url.string(1...Int.max), path: node.path, medium: medium)
    found.detail = try node["detail"]?.choice()
    if let budget = node.given("visual_tokens") { found.budget = try VisualBudget.reading(budget) }
    return found
  }
}

extension Medium {
  /// What people call it, with its article.
  package var noun: String {
    switch self {
    case .image: "a picture"
    case .video: "a video"
    case .audio: "sound"
    }
  }
}
