import Foundation
import Language

/// The conversation template that a checkpoint is used with.
///
/// 1. A named one, or else the one that the checkpoint's own chat template is recognised as, or else the family's: ChatML for Qwen2
///    decoders, Vicuna v1 for others, as LLaVA-1.5 was trained with it.
/// 2. Where that is the format of the checkpoint's own chat template, it brings its default system text.
public struct TemplateChoice: Sendable, Equatable {
  /// The choice.
  public let template: ConversationTemplate
  /// The file of a chat template that is not followed, as it is of no format known here; nil where there is none or another was named.
  public let ignored: String?

  /// Chooses for a checkpoint folder.
  ///
  /// - Throws: `LanguageError` for an unknown name, or for a file that cannot be read.
  public init(_ folder: URL, _ configuration: LLaVAConfiguration, named name: String? = nil) throws {
    let file = try ChatTemplateFile.read(from: folder)
    let own = file?.recognized
    if let own, name == nil || name == own.name {
      (template, ignored) = (own, nil)
    } else {
      template = try .named(name ?? configuration.text.family.templateName)
      ignored = name == nil ? file?.path : nil
    }
  }

  /// One sentence for people where a chat template is not followed.
  public var note: String? {
    ignored.map {
      "\($0): this chat template is of no format known here; \(template.name) is used instead, or what --template names"
    }
  }
}

extension TextConfiguration.Family {
  /// Name of the conversation template of decoders that bring none.
  var templateName: String { self == .qwen2 ? "chatml" : "vicuna_v1" }
}
