/// What an engine did so far, and how fast it is.
public struct EngineFigures: Sendable, Equatable {
  /// Answers that are being written, or whose prompts are being read.
  public var running = 0
  /// Tokens of prompts, and of answers.
  public var promptTokens = 0, newTokens = 0
  /// Visual tokens before and after, of all pictures.
  public var visualTokens = 0, keptVisualTokens = 0
  /// Look-ups of pictures' features, and those that found something.
  public var pictureQueries = 0, pictureHits = 0
  /// Rows of prompts that could have been there already, and those that were.
  public var prefixQueries = 0, prefixHits = 0
  /// Bytes that are kept for further questions.
  public var sharedBytes = 0
  /// How long its work takes.
  public var times = StepTimes()
  /// Longest time between two steps in which something was being written, in seconds.
  public var longestStep = 0.0

  /// Nothing was done.
  public init() {}
}
