/// The text a model expects around the turns of a conversation: as data, or as the checkpoint's own chat template writes it.
///
/// As data, a conversation renders as the system text, then for every turn: header, lead, text, end. A turn without text renders
/// as its header alone, which is also how a prompt asks for an answer.
public struct ConversationTemplate: Sendable, Equatable, Encodable {
  /// The name `named(_:)` knows it by; `ownName` for a checkpoint's own.
  public let name: String
  /// Instructions in front of the conversation; may be replaced.
  ///
  /// Empty for a checkpoint's own template, which then says what it says by itself.
  public var system: String
  /// Goes around the system text, unless that is empty.
  public let systemPrefix, systemSuffix: String
  /// Puts the system text inside the first user turn instead of in front of it.
  public let systemIsInFirstTurn: Bool
  /// Stands in front of a user turn and of an answer.
  public let userHeader, assistantHeader: String
  /// Goes in front of the header of every user turn but the first.
  public let laterUserPrefix: String
  /// Stands between a header and its text.
  ///
  /// In front of an answer it is supervised, since tokenizers merge a space with
  /// the word behind it.
  public let lead: String
  /// Closes a user turn.
  public let userEnd: String
  /// Closes an answer; the model learns to produce it.
  public let answerEnd: String
  /// Follows an answer's end and is not supervised.
  public let answerSuffix: String
  /// Training keeps nothing of the question but its image (the captioning stage).
  public let keepsOnlyImages: Bool
  /// Texts at which generation ends, besides the tokenizer's EOS id.
  public let stopStrings: [String]
  /// The checkpoint's own template, which then writes everything.
  public private(set) var chat: ChatTemplate?

  /// A template; what is left out is empty.
  public init(
    name: String, system: String = "", systemPrefix: String = "", systemSuffix: String = "",
    systemIsInFirstTurn: Bool = false, userHeader: String = "", assistantHeader: String = "",
    laterUserPrefix: String = "", lead: String = "", userEnd: String = "", answerEnd: String, answerSuffix: String = "",
    keepsOnlyImages: Bool = false, stopStrings: [String]
  ) {
    self.name = name
    self.system = system
    self.systemPrefix = systemPrefix
    self.systemSuffix = systemSuffix
    self.systemIsInFirstTurn = systemIsInFirstTurn
    self.userHeader = userHeader
    self.assistantHeader = assistantHeader
    self.laterUserPrefix = laterUserPrefix
    self.lead = lead
    self.userEnd = userEnd
    self.answerEnd = answerEnd
    self.answerSuffix = answerSuffix
    self.keepsOnlyImages = keepsOnlyImages
    self.stopStrings = stopStrings
  }

  /// The name of a checkpoint's own template, whatever it writes.
  public static let ownName = "checkpoint"

  /// A checkpoint's own template.
  public init(_ chat: ChatTemplate) {
    self.init(
      name: Self.ownName, answerEnd: chat.answerEnd, stopStrings: chat.answerEnd.isEmpty ? [] : [chat.answerEnd])
    self.chat = chat
  }

  /// One sentence for people who train, where the checkpoint's own template ends no answer.
  public var trainingNote: String? {
    guard let chat, chat.answerEnd.isEmpty else { return nil }
    return
      "\(chat.path): this chat template writes nothing behind an answer; training puts the end token behind the last answer of each sample"
  }

  /// A stretch of rendered text.
  struct Segment: Equatable {
    var text: String
    /// Whether a model learns to produce it.
    var isAnswer = false
  }

  /// Renders turns, marking the answers.
  ///
  /// - Parameters:
  ///   - closesEmptyAnswer: end an empty last answer like any other instead of leaving it to be generated.
  ///   - hasImages: `<image>` marks pictures.
  func segments(for turns: [Turn], closesEmptyAnswer: Bool, hasImages: Bool = true) throws -> [Segment] {
    for (index, turn) in turns.enumerated() where (turn.role == .user) != (index % 2 == 0) {
      let problem = index == 0 ? "it begins with the assistant" : "turn \(index + 1) has the same role as the one before"
      throw LanguageError.invalidConversation(problem: problem)
    }
    if let chat {
      return try chat.segments(for: messages(turns, hasImages: hasImages), closesEmptyAnswer: closesEmptyAnswer)
    }
    let systemText = system.isEmpty ? "" : systemPrefix + system + systemSuffix
    var segments = [Segment(text: systemIsInFirstTurn ? "" : systemText)]
    for (index, turn) in turns.enumerated() {
      switch turn.role {
      case .user:
        let prefix = index == 0 ? "" : laterUserPrefix
        let inner = index == 0 && systemIsInFirstTurn ? systemText : ""
        let text = turn.text.isEmpty ? "" : lead + inner + turn.text + userEnd
        segments.append(Segment(text: prefix + userHeader + text))
      case .assistant:
        segments.append(Segment(text: assistantHeader))
        if !turn.text.isEmpty {
          segments.append(Segment(text: lead + turn.text + answerEnd, isAnswer: true))
        } else if closesEmptyAnswer, index == turns.count - 1 {
          segments.append(Segment(text: answerEnd, isAnswer: true))
        } else {
          continue
        }
        segments.append(Segment(text: answerSuffix))
      }
    }
    return segments
  }

  /// Renders turns as they are; empty ones give their header only.
  ///
  /// - Throws: `LanguageError.invalidConversation` unless the turns alternate, the user's first.
  public func render(_ turns: [Turn]) throws -> String {
    if let chat { return try chat.render(messages(turns), asks: false) }
    return try segments(for: turns, closesEmptyAnswer: false).map(\.text).joined()
  }

  /// Renders a prompt that asks for the next answer: turns end with the user's, or with an empty answer.
  ///
  /// - Throws: `LanguageError.invalidConversation` unless the turns alternate, the user's first.
  public func prompt(for turns: [Turn]) throws -> String {
    if chat != nil {
      let asked = turns.last == Turn(.assistant, "") ? turns.dropLast() : turns[...]
      return try prompt(for: messages(Array(asked)), asks: asked.last?.role == .user)
    }
    return try render(turns.last?.role == .user ? turns + [Turn(.assistant, "")] : turns)
  }

  /// Renders messages by the checkpoint's own template, and asks for the next answer.
  ///
  /// - Throws: `LanguageError.chatTemplate`, with the template's own words where it refuses a conversation; `.unknownTemplate` where this
  ///   is none.
  public func prompt(for messages: [TemplateMessage]) throws -> String { try prompt(for: messages, asks: true) }

  private func prompt(for messages: [TemplateMessage], asks: Bool) throws -> String {
    guard let chat else { throw LanguageError.unknownTemplate(name: Self.ownName, known: Self.all.map(\.name)) }
    return try chat.render(messages, asks: asks)
  }

  private func messages(_ turns: [Turn], hasImages: Bool = true) -> [TemplateMessage] {
    (system.isEmpty ? [] : [TemplateMessage(.system, [.text(system)])])
      + turns.map { TemplateMessage($0, hasImages: hasImages) }
  }
}
