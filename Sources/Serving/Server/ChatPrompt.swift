import ChatProtocol
import LLaVA
import Language

/// A conversation as token ids.
///
/// Words are content whatever they spell: a literal `<image>` or `</s>` is no picture and no end.
struct ChatPrompt: Sendable {
  /// Pictures as `imagePlaceholderID`.
  let ids: [Int]
  /// Ids of the first prompt of the conversation, by which visual tokens are chosen; nil for all.
  let promptLength: Int?
  /// Pictures in the order of their placeholders.
  let pictures: [ImageReference]
  /// Ids that are words.
  var textCount: Int { ids.count - pictures.count }

  /// Writes a conversation down in the model's own format.
  ///
  /// As in a chat, the first question decides which visual tokens stay for the whole conversation.
  ///
  /// - Throws: `APIError`; `LanguageError` for text that cannot be encoded, and for a conversation that the checkpoint's template refuses.
  init(_ messages: [ChatMessage], _ pipeline: LLaVAPipeline) throws {
    let (prompt, first) =
      pipeline.template.chat == nil ? try Self.texts(messages, pipeline) : try Self.ownTexts(messages, pipeline)
    ids = try encodeWithImages(prompt, tokenizer: pipeline.tokenizer)
    promptLength = try first.map { try encodeWithImages($0, tokenizer: pipeline.tokenizer).count }
    pictures = messages.flatMap(\.pictures)
    let marks = ids.count { $0 == imagePlaceholderID }
    if marks != pictures.count {
      throw APIError.invalidValue(
        "messages",
        "the model's chat template writes \(marks) marks for \(pictures.count) pictures; show them in messages of the user")
    }
  }

  /// The prompt, and the first one of the conversation where that is another, by the checkpoint's own template.
  ///
  /// It is given the messages as they are, those of developers as the system's.
  private static func ownTexts(_ messages: [ChatMessage], _ pipeline: LLaVAPipeline) throws -> (String, first: String?) {
    let all = messages.map { message in
      let role: TemplateMessage.Role =
        switch message.role {
        case .system, .developer: .system
        case .user: .user
        case .assistant: .assistant
        }
      return TemplateMessage(
        role,
        message.parts.map { part in
          if case .text(let text) = part { .text(pipeline.tokenizer.literal(text)) } else { .image }
        })
    }
    do {
      let prompt = try pipeline.template.prompt(for: all)
      let first = all.firstIndex { $0.role == .user } ?? all.count
      return (prompt, first + 1 < all.count ? try pipeline.template.prompt(for: Array(all[...first])) : nil)
    } catch LanguageError.chatTemplate(_, let problem) {
      throw APIError.invalidValue("messages", "the model's chat template cannot write this conversation: \(problem)")
    }
  }

  /// The same by a template of ours.
  ///
  /// 1. Messages of the system come first and replace the template's own text.
  /// 2. Messages of one speaker in a row are one turn, and parts of a message are lines.
  private static func texts(_ messages: [ChatMessage], _ pipeline: LLaVAPipeline) throws -> (String, first: String?) {
    let tokenizer = pipeline.tokenizer
    func text(_ message: ChatMessage) -> String {
      let lines = message.parts.map { part in
        switch part {
        case .text(let text): tokenizer.literal(text)
        case .picture: imageTag
        }
      }
      let hasWords = message.parts.contains { if case .text = $0 { true } else { false } }
      return lines.joined(separator: "\n") + (hasWords || lines.isEmpty ? "" : "\n")
    }
    let instructions = messages.prefix { $0.role == .system || $0.role == .developer }
    var template = pipeline.template
    if !instructions.isEmpty { template.system = instructions.map(text).joined(separator: "\n\n") }
    var turns: [Turn] = []
    for (index, message) in messages.enumerated().dropFirst(instructions.count) {
      guard message.role == .user || message.role == .assistant else {
        throw APIError.invalidValue(
          "messages[\(index)].role",
          "messages[\(index)].role is \"\(message.role.rawValue)\" behind other messages; instructions come first")
      }
      let role: Turn.Role = message.role == .user ? .user : .assistant
      if turns.last?.role == role {
        turns[turns.count - 1].text += "\n" + text(message)
      } else {
        turns.append(Turn(role, text(message)))
      }
    }
    if turns.first?.role != .user {
      throw APIError.invalidValue("messages", "the conversation begins with the assistant; let the user begin")
    }
    return (try template.prompt(for: turns), turns.count > 1 ? try template.prompt(for: [turns[0]]) : nil)
  }
}
