import Foundation
import Jinja

/// The chat template of a checkpoint, which writes conversations down as its authors do.
public struct ChatTemplate: Sendable {
  /// How a message holds what it says.
  enum Content: String, Sendable, Encodable {
    /// As one string, in which `<image>` marks pictures.
    case text
    /// As a list of texts and pictures.
    case parts
    /// As a list of texts and sounds.
    case sounds
  }

  /// The file it was read from.
  public let path: String
  let source: String
  /// What names such as `bos_token` stand for.
  let tokens: [String: String]
  /// What the template writes for a picture; it becomes `<image>`.
  let imageMark: String
  /// How messages of a role hold their content, found by trying.
  let contents: [TemplateMessage.Role: Content]
  /// What it writes behind an answer for the model to end with; empty where it writes nothing.
  public let answerEnd: String
  /// What the tokenizer puts in front by itself, so that the template's own is one too many; empty where it does not.
  let ownBeginning: String
  private let template: Template

  /// Reads a template and finds out how it wants pictures, and how it ends answers.
  ///
  /// - Parameters:
  ///   - names: the spellings of named tokens, `bos_token` and others.
  ///   - imageMarks: what may stand for a picture, the likeliest first.
  ///   - tokenizer: knows which spellings are special, and what it puts in front; without it both are guessed.
  /// - Throws: `LanguageError.chatTemplate` for a template that cannot be read, or that shows no words.
  init(_ file: ChatTemplateFile, names: [String: String], imageMarks: [String] = [], tokenizer: (any Tokenizer)? = nil) throws {
    do {
      template = try Template(file.source)
    } catch {
      throw LanguageError.chatTemplate(path: file.path, problem: "\(error)")
    }
    (path, source, tokens) = (file.path, file.source, names)
    let probe = TemplateProbe(template: template, tokens: names, path: file.path)
    (contents, imageMark) = try probe.contents(imageMarks + TemplateProbe.knownImageMarks)
    answerEnd = try probe.answerEnd(contents, tokenizer)
    var beginning = ""
    if let bos = names["bos_token"], let tokenizer, let id = tokenizer.bosTokenID, tokenizer.tokenID(of: bos) == id,
      try tokenizer.encode("", addSpecialTokens: true).first == id
    {
      beginning = bos
    }
    ownBeginning = beginning
  }

  /// Writes messages down.
  ///
  /// - Parameters:
  ///   - asks: end with what stands in front of the next answer.
  ///   - now: what the template takes for the present time.
  /// - Throws: `LanguageError.chatTemplate`, with the template's own words where it refuses a conversation.
  func render(_ messages: [TemplateMessage], asks: Bool, now: Date = Date()) throws -> String {
    var text = try TemplateProbe(template: template, tokens: tokens, path: path)
      .render(messages.map { $0.value(contents[$0.role] ?? .text) }, asks: asks, now: now)
    if !ownBeginning.isEmpty, text.utf8.starts(with: ownBeginning.utf8) {
      text = String(decoding: text.utf8.dropFirst(ownBeginning.utf8.count), as: UTF8.self)
    }
    guard contents[.user] != .text, imageMark != imageTag else { return text }
    return String(decoding: replacing(Array(imageMark.utf8), in: text.utf8, with: Array(imageTag.utf8)), as: UTF8.self)
  }
}

extension ChatTemplate: Equatable {
  /// Whether both write the same.
  public static func == (left: ChatTemplate, right: ChatTemplate) -> Bool {
    left.source.utf8.elementsEqual(right.source.utf8) && left.tokens == right.tokens && left.imageMark == right.imageMark
      && left.contents == right.contents && left.answerEnd == right.answerEnd && left.ownBeginning == right.ownBeginning
  }
}

extension ChatTemplate: Encodable {
  private enum CodingKeys: CodingKey { case source, tokens, imageMark }

  /// What decides what it writes.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(source, forKey: .source)
    try container.encode(tokens, forKey: .tokens)
    try container.encode(imageMark, forKey: .imageMark)
  }
}
