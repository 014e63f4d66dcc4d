import Imaging
import LLaVA

/// A question as the model reads it.
public struct AnswerRequest: Sendable {
  /// Token ids, the picture as `imagePlaceholderID`; one picture at most.
  public var ids: [Int]
  /// What it is about; nil for text alone.
  public var picture: PreparedPicture?
  /// Longest answer, in tokens.
  public var maximumNewTokens: Int
  /// Ids that belong to the first question of a conversation, by which visual tokens are chosen; nil for all.
  public var promptLength: Int?

  /// A question.
  public init(ids: [Int], picture: PreparedPicture? = nil, maximumNewTokens: Int = 128, promptLength: Int? = nil) {
    self.ids = ids
    self.picture = picture
    self.maximumNewTokens = maximumNewTokens
    self.promptLength = promptLength
  }
}

/// A picture as the tower takes it.
public struct PreparedPicture: Sendable {
  /// Equal for the same picture only.
  public let key: String
  /// Its views.
  public let pixels: PicturePixels
  /// Where random choices of its tokens start, the same for all questions about it.
  public let seed: UInt64

  /// A picture.
  public init(key: String, pixels: PicturePixels, seed: UInt64) {
    self.key = key
    self.pixels = pixels
    self.seed = seed
  }
}

/// What a question was answered under one plan.
public struct PlanAnswer: Sendable, Equatable {
  /// The text, without stop strings and surrounding white space.
  public var text = ""
  /// The new tokens, an end-of-answer token not among them.
  public var tokens: [Int] = []
  /// Why it ended.
  public var finish = GenerationResult.Finish.length
  /// Text tokens of the prompt.
  public var textTokens = 0
  /// Which tokens of the picture were left, ascending; nil where the plan chooses none.
  public var keptIndices: [Int]?
}
