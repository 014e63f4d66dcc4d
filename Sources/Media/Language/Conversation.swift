/// What one side says in a conversation.
public struct Turn: Sendable, Equatable {
  /// Who speaks.
  public enum Role: Sendable, Equatable {
    case user
    case assistant

    /// The role a data set names: "human" or "user", "gpt" or "assistant".
    ///
    /// - Throws: `LanguageError.invalidConversation` for any other name.
    public init(named name: String) throws {
      switch name {
      case "human", "user": self = .user
      case "gpt", "assistant": self = .assistant
      default:
        throw LanguageError.invalidConversation(
          problem: "\"\(name)\" is no role; use \"human\" or \"user\", \"gpt\" or \"assistant\"")
      }
    }
  }

  /// Who speaks.
  public var role: Role
  /// The words; `<image>` marks where an image belongs.
  ///
  /// An empty last answer is the one to be generated.
  public var text: String

  /// A turn of a conversation.
  public init(_ role: Role, _ text: String) {
    self.role = role
    self.text = text
  }
}

/// A conversation as it grows: a template and the turns so far.
public struct Conversation: Sendable {
  /// How the turns are rendered.
  public let template: ConversationTemplate
  /// The turns so far, the user's first.
  public var turns: [Turn]

  /// A conversation, empty by default.
  public init(_ template: ConversationTemplate, turns: [Turn] = []) {
    self.template = template
    self.turns = turns
  }

  /// The text to continue with the next answer.
  ///
  /// - Throws: `LanguageError.invalidConversation` unless the turns alternate, the user's first.
  public var prompt: String { get throws { try template.prompt(for: turns) } }
}
