/// What can go wrong with tokenizers, conversation templates and label masks.
///
/// The description is one sentence for the person at the terminal: what was found, where, and what to do.
public enum LanguageError: Error, Equatable, CustomStringConvertible {
  /// A file is missing or cannot be read.
  case unreadableFile(path: String, reason: String)
  /// A folder holds none of the tokenizer files this module reads.
  case noTokenizer(directory: String)
  /// A file is not what its name says: broken JSON, a truncated model, a field of the wrong type.
  case malformedFile(path: String, field: String, problem: String)
  /// A field of a valid file asks for something this module does not do.
  case unsupported(path: String, field: String, found: String, supported: String)
  /// No conversation template has this name.
  case unknownTemplate(name: String, known: [String])
  /// Turns that no template can render, such as two questions in a row.
  case invalidConversation(problem: String)
  /// A checkpoint's chat template cannot be read, or does not write a conversation.
  case chatTemplate(path: String, problem: String)
  /// The original defines no labels for this template.
  case noReferenceLabels(template: String)
  /// A token id no tokenizer can have.
  case invalidTokenID(Int)
  /// The tokenizer library refused a text.
  case encodingFailed(reason: String)

  /// One sentence: what was found, where, and what to do about it.
  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "\(path): cannot be read (\(reason)); check the path and its permissions."
    case .noTokenizer(let directory):
      "\(directory): holds neither tokenizer.model nor tokenizer.json; copy one of them from the original checkpoint."
    case .malformedFile(let path, let field, let problem):
      "\(path): \(field.isEmpty ? "" : "\(field): ")\(problem); fetch the file again or correct it."
    case .unsupported(let path, let field, let found, let supported):
      "\(path): \(field): \(found) is not supported; supported: \(supported)."
    case .unknownTemplate(let name, let known):
      "There is no conversation template \"\(name)\"; use one of \(known.joined(separator: ", "))."
    case .invalidConversation(let problem):
      "The conversation cannot be rendered: \(problem)."
    case .chatTemplate(let path, let problem):
      "\(path): \(problem); name another with --template, such as vicuna_v1 or chatml, to do without this one."
    case .noReferenceLabels(let template):
      "Reference labels do not exist for the template \(template); use corrected labels, or vicuna_v1 or plain."
    case .invalidTokenID(let id):
      "\(id) is not a token id; decode takes ids from 0 up, without image placeholders."
    case .encodingFailed(let reason):
      "The text cannot be tokenised: \(reason)."
    }
  }
}
