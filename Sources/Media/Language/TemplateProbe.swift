import Foundation
import Jinja

/// Finds out what a chat template does with content by having it write some.
struct TemplateProbe {
  /// What stands for a picture in the families that there are; longer ones before what they begin with.
  static let knownImageMarks = [
    imageTag, "<|image_pad|>", "<IMG_CONTEXT>", "<image_soft_token>", "<start_of_image>", "<|image|>", "<|image_1|>", "[IMG]",
    "<img>", "<|AUDIO|>",
  ]
  /// Text that no template and nobody writes: a name between noncharacters, U+FDD0 in UTF-8.
  static func mark(_ name: String) -> String {
    let edge = String(decoding: [0xEF, 0xB7, 0x90] as [UInt8], as: UTF8.self)
    return edge + name + edge
  }

  private static let words = mark("words")

  let template: Template
  let tokens: [String: String]
  let path: String

  /// Renders messages that are dicts already, with the variables that transformers gives.
  func render(_ messages: [Value], asks: Bool, now: Date = Date()) throws -> String {
    var variables: [String: Value] = tokens.mapValues { .string($0) }
    variables["messages"] = .list(messages)
    variables["add_generation_prompt"] = .bool(asks)
    variables["tools"] = .some(.none)
    variables["documents"] = .some(.none)
    do {
      return try template.render(variables, now: now)
    } catch {
      throw LanguageError.chatTemplate(path: path, problem: "\(error)")
    }
  }

  /// How each role's messages hold content, and what stands for a picture.
  ///
  /// A list of parts is tried first, with a picture and then with sound. It will not do where the template ends with an error, where the words do not appear, where they
  /// appear as Python writes a list, or where the user's picture or sound leaves no mark; then content is a string. An error of the template
  /// itself comes again when the user's content is a string, and is thrown then.
  func contents(_ marks: [String]) throws -> (contents: [TemplateMessage.Role: ChatTemplate.Content], imageMark: String) {
    var found: [TemplateMessage.Role: ChatTemplate.Content] = [:]
    var imageMark = imageTag
    let question = TemplateMessage(.user, [.image, .text(Self.words)])
    for content in [ChatTemplate.Content.parts, .sounds] where found[.user] == nil {
      let shown = try? render([question.value(content)], asks: true)
      if let shown, isShown(in: shown), let mark = marks.first(where: { has($0, shown) }) {
        found[.user] = content
        imageMark = mark
      }
    }
    if found[.user] == nil {
      found[.user] = .text
      let plain = try render([question.value(.text)], asks: true)
      if !isShown(in: plain) {
        throw LanguageError.chatTemplate(path: path, problem: "it does not write what the user says")
      }
    }
    let asked = TemplateMessage(.user, [.text("?")]).value(found[.user] ?? .text)
    let words = [TemplateMessage.Part.text(Self.words)]
    let system = try? render([TemplateMessage(.system, words).value(.parts), asked], asks: true)
    found[.system] = system.map(isShown) ?? false ? .parts : .text
    let answer = try? render([asked, TemplateMessage(.assistant, words).value(.parts)], asks: false)
    found[.assistant] = answer.map(isShown) ?? false ? .parts : .text
    return (found, imageMark)
  }

  /// What follows an answer for the model to end with: the first special token behind it with nothing but white space between, or else
  /// text that stands there both at the end of a conversation and inside of one.
  func answerEnd(_ contents: [TemplateMessage.Role: ChatTemplate.Content], _ tokenizer: (any Tokenizer)?) throws -> String {
    let user = TemplateMessage(.user, [.text("?")]).value(contents[.user] ?? .text)
    let assistant = TemplateMessage(.assistant, [.text(Self.words)]).value(contents[.assistant] ?? .text)
    guard let last = tail(try render([user, assistant], asks: false)) else { return "" }
    let trimmed = Array(last.utf8.drop { $0 == 0x20 || $0 == 0x0A })
    let known = (tokenizer?.specialSpellings ?? []) + tokens.values
    if let end = known.filter({ !$0.isEmpty && trimmed.starts(with: $0.utf8) }).max(by: { $0.utf8.count < $1.utf8.count }) {
      return end
    }
    guard let inner = tail(try render([user, assistant, user], asks: false)) else { return "" }
    let rest = Array(inner.utf8.drop { $0 == 0x20 || $0 == 0x0A })
    let common = last.trimmingCharacters(in: .whitespacesAndNewlines)
    return rest.starts(with: common.utf8) ? common : ""
  }

  private func tail(_ text: String) -> String? {
    let parts = split(text, separator: Self.words)
    return parts.count == 2 ? parts[1] : nil
  }

  private func has(_ pattern: String, _ text: String) -> Bool {
    !occurrences(of: Array(pattern.utf8), in: Array(text.utf8)[...]).isEmpty
  }

  /// Whether the words stand there, and not as part of a list as Python or JSON writes it.
  private func isShown(in text: String) -> Bool {
    has(Self.words, text) && !has("'type':", text) && !has("\"type\":", text)
  }
}
