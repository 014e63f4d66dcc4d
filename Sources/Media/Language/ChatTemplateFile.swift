import Foundation

/// The chat template that lies in a checkpoint folder, a program in the language Jinja.
///
/// `ChatTemplate` runs it.
public struct ChatTemplateFile: Sendable, Equatable {
  /// The file that holds it.
  public let path: String
  /// The Jinja source.
  public let source: String

  init(path: String, source: String) {
    self.path = path
    self.source = source
  }

  /// Reads chat_template.jinja, else `chat_template` of chat_template.json or of tokenizer_config.json; nil where none is there.
  ///
  /// Of several templates by name the one called "default" counts, as in transformers.
  /// - Throws: `LanguageError` naming file and field.
  public static func read(from directory: URL) throws -> ChatTemplateFile? {
    let bare = directory.appending(path: "chat_template.jinja")
    if FileManager.default.fileExists(atPath: bare.path) {
      return ChatTemplateFile(path: bare.path, source: String(decoding: try readFile(bare), as: UTF8.self))
    }
    for name in ["chat_template.json", "tokenizer_config.json"] {
      guard let node = try JSONNode.readIfPresent(directory.appending(path: name))?["chat_template"] else { continue }
      guard case .array = node.value else { return ChatTemplateFile(path: node.file, source: try node.string()) }
      for entry in try node.elements() where try entry.required("name").string() == "default" {
        return ChatTemplateFile(path: node.file, source: try entry.required("template").string())
      }
    }
    return nil
  }

  /// The named template that writes the same format, with this one's own default system text; nil for other formats.
  ///
  /// It is used where somebody names that template.
  ///
  /// 1. ChatML by its two marks.
  /// 2. `vicuna_v1` by the names of its two sides. Its system text stays, though the file of the Hugging Face port has none: LLaVA-1.5 was
  ///    trained with it.
  /// 3. `llama_2` by its two brackets.
  public var recognized: ConversationTemplate? {
    func has(_ marks: String...) -> Bool {
      marks.allSatisfy { !occurrences(of: Array($0.utf8), in: Array(source.utf8)[...]).isEmpty }
    }
    if has("<|im_start|>", "<|im_end|>") {
      var template = ConversationTemplate.chatML
      template.system = chatMLSystem
      return template
    }
    if has("ASSISTANT:"), has("USER:") || has(".upper()") { return .vicunaV1 }
    if has("[INST]", "<<SYS>>") { return .llama2 }
    return nil
  }

  /// What a ChatML template says where a conversation brings no system text: the first that stands there word for word.
  private var chatMLSystem: String {
    let text = split(source, separator: #"\n"#).joined(separator: "\n")
    for part in split(text, separator: "<|im_start|>system\n").dropFirst() {
      let words = split(part, separator: "<|im_end|>")
      if words.count > 1, !words[0].isEmpty, !words[0].contains(where: { "'\"{}".contains($0) }) { return words[0] }
    }
    return ""
  }
}

extension ChatTemplate {
  /// Reads the chat template of a checkpoint folder; nil where it has none.
  ///
  /// - Parameters:
  ///   - imageMarks: what may stand for a picture, the likeliest first.
  ///   - tokenizer: the folder's own, where it has been read.
  /// - Throws: `LanguageError` naming file and line.
  public static func read(
    from directory: URL, imageMarks: [String] = [], tokenizer: (any Tokenizer)? = nil
  ) throws -> ChatTemplate? {
    guard let file = try ChatTemplateFile.read(from: directory) else { return nil }
    return try ChatTemplate(
      file, names: TokenizerFiles(directory: directory).names(), imageMarks: imageMarks, tokenizer: tokenizer)
  }
}
