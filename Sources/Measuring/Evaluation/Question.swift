/// One question of a benchmark, as it is put to a model.
public struct Question: Sendable, Equatable {
  /// Unique in its benchmark.
  public let id: String
  /// What the benchmark's files call it; several questions of TextVQA or MME share one.
  public let fileID: FileID
  /// The picture or video it is about; nil for text alone.
  public let image: QuestionImage?
  /// What the user says, without the image tag.
  ///
  /// With a picture, `<image>\n` stands in front of it in the conversation.
  public let prompt: String
  /// What LLaVA's answer files repeat as the prompt.
  public let recordedPrompt: String
  /// The benchmark's own division: POPE's split, MME's subtask, OCRBench's type.
  public let category: String
  /// Questions that count only together have the same: the two of an MME image, the rotations of an MMBench question.
  public let group: String
  /// The options A, B and so on that MMBench's answer files repeat; empty elsewhere.
  public let options: [String]
  /// How the answer begins, behind which the model goes on; empty where it begins by itself.
  public let answerPrefix: String

  /// A question.
  ///
  /// - Parameters:
  ///   - recordedPrompt: the prompt itself unless given.
  ///   - group: the question's own id unless given.
  public init(
    id: String, fileID: FileID, image: QuestionImage?, prompt: String, recordedPrompt: String? = nil,
    category: String = "default",
    group: String? = nil, options: [String] = [], answerPrefix: String = ""
  ) {
    self.id = id
    self.fileID = fileID
    self.image = image
    self.prompt = prompt
    self.recordedPrompt = recordedPrompt ?? prompt
    self.category = category
    self.group = group ?? id
    self.options = options
    self.answerPrefix = answerPrefix
  }
}

/// A question's id in files, of the type that it has there.
public enum FileID: Sendable, Hashable, Codable, CustomStringConvertible {
  case number(Int)
  case text(String)

  /// The id as text.
  public var description: String {
    switch self {
    case .number(let number): String(number)
    case .text(let text): text
    }
  }

  /// Decodes a JSON number or string.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int.self) {
      self = .number(number)
    } else {
      self = .text(try container.decode(String.self))
    }
  }

  /// Encodes as a JSON number or string.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    }
  }
}
