/// What is wrong with a checkpoint's configuration.
public enum ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read.
  case unreadable(file: String, reason: String)
  /// The file is not a JSON object.
  case notJSON(file: String)
  /// A field that must be there is not.
  case missing(file: String, field: String)
  /// A field holds a value that makes no sense.
  case invalid(file: String, field: String, reason: String)
  /// A model of a kind that is not read.
  case unsupported(file: String, field: String, found: String, known: [String])
  /// A language model alone, where one with a vision tower belongs.
  case textOnly(file: String, type: String)
  /// No preset has this name.
  case unknownPreset(String, known: [String])

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .notJSON(let file): "\(file): not a JSON object"
    case .missing(let file, let field): "\(file): has no field \(field)"
    case .invalid(let file, let field, let reason): "\(file): \(field): \(reason)"
    case .unsupported(let file, let field, let found, let known):
      "\(file): \(field) is \(found); known are \(known.joined(separator: ", "))"
    case .textOnly(let file, let type):
      "\(file): model_type is \"\(type)\", a language model that sees no pictures; put it into a LLaVA first, as transformers' "
        + "LlavaForConditionalGeneration does with its text_config, and train the projector with stage: pretrain"
    case .unknownPreset(let name, let known): "there is no preset \(name); known are \(known.joined(separator: ", "))"
    }
  }
}
