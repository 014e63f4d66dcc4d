import Foundation
import Language

/// The conversation template that a checkpoint is used with.
///
/// 1. A named one. Where that is the format of the checkpoint's own chat template, it brings its default system text.
/// 2. Else the checkpoint's own chat template, which the name `checkpoint` demands. One that cannot be read is an error, as any other would
///    ask the model in a way that it was not trained with.
/// 3. Else, where there is none, the family's: ChatML for Qwen2 decoders, Vicuna v1 for others, as LLaVA-1.5 was trained with it.
public struct TemplateChoice: Sendable, Equatable {
  /// The choice.
  public let template: ConversationTemplate

  /// Chooses for a checkpoint folder.
  ///
  /// - Parameter tokenizer: the folder's own, where it has been read; without it the end of an answer is guessed.
  /// - Throws: `LanguageError` for an unknown name, or for a template that cannot be read or has something that is not supported.
  public init(
    _ folder: URL, _ configuration: LLaVAConfiguration, named name: String? = nil, tokenizer: (any Tokenizer)? = nil
  ) throws {
    if let name, name != ConversationTemplate.ownName {
      let template = try ConversationTemplate.named(name)
      // A file that nobody asked for does not keep the named one from being used.
      let own = try? ChatTemplateFile.read(from: folder)?.recognized
      self.template = own?.name == name ? own ?? template : template
      return
    }
    // A number that the tokenizer does not know is no error: such a model's pictures have another mark in the template, or none.
    let mark = try? tokenizer?.decode([configuration.imageTokenID], skipSpecialTokens: false)
    let marks = [mark].compactMap(\.self).filter { !$0.isEmpty }
    if let chat = try ChatTemplate.read(from: folder, imageMarks: marks, tokenizer: tokenizer) {
      template = ConversationTemplate(chat)
    } else if name != nil {
      throw LanguageError.unreadableFile(path: folder.appending(path: "chat_template.jinja").path, reason: "no such file")
    } else {
      template = try .named(configuration.text.family.templateName)
    }
  }

  /// The name, and for a checkpoint's own template its file.
  public var text: String {
    template.chat.map { "\(template.name) (\(URL(filePath: $0.path).lastPathComponent))" } ?? template.name
  }
}

extension TextConfiguration.Family {
  /// Name of the conversation template of decoders that bring none.
  var templateName: String { self == .qwen2 ? "chatml" : "vicuna_v1" }
}
