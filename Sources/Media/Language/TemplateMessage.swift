import Jinja

/// A message as chat templates are given it.
public struct TemplateMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable, Encodable {
    /// Instructions for the whole conversation.
    case system
    /// Who asks.
    case user
    /// Who answers.
    case assistant
  }

  /// A piece of a message.
  public enum Part: Sendable, Equatable {
    /// Words.
    case text(String)
    /// A picture.
    case image
  }

  /// Who speaks.
  public var role: Role
  /// What is said and shown, in order.
  public var parts: [Part]

  /// A message.
  public init(_ role: Role, _ parts: [Part]) { (self.role, self.parts) = (role, parts) }

  /// A turn as a message.
  ///
  /// - Parameter hasImages: `<image>` marks a picture, and the line break beside it belongs to the mark; else it is text like any other.
  init(_ turn: Turn, hasImages: Bool = true) {
    role = turn.role == .user ? .user : .assistant
    guard hasImages, turn.imageTags > 0 else {
      parts = [.text(turn.text)]
      return
    }
    parts = []
    let texts = split(turn.text, separator: imageTag)
    for (index, text) in texts.enumerated() {
      var words = Array(text.utf8)[...]
      if index > 0 {
        parts.append(.image)
        if words.first == 0x0A { words.removeFirst() }
      }
      if index < texts.count - 1, words.last == 0x0A { words.removeLast() }
      if !words.isEmpty { parts.append(.text(String(decoding: words, as: UTF8.self))) }
    }
  }

  /// The dict that a template sees.
  func value(_ content: ChatTemplate.Content) -> Value {
    let value: Value
    switch content {
    case .parts, .sounds:
      // Templates ask sound for its address, or for its type.
      let medium =
        content == .parts ? Dict(["type": .string("image")]) : Dict(["type": .string("audio"), "audio_url": .string("")])
      value = .list(
        parts.map { part in
          switch part {
          case .text(let text): .dict(Dict(["type": .string("text"), "text": .string(text)]))
          case .image: .dict(medium)
          }
        })
    case .text:
      value = .string(parts.map { part in if case .text(let text) = part { text } else { imageTag } }.joined(separator: "\n"))
    }
    return .dict(Dict(["role": .string(role.rawValue), "content": value]))
  }
}
