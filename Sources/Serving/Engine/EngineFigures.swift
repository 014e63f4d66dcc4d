/// What an engine did so far, and how fast it is.
public struct EngineFigures: Sendable, Equatable {
  /// Answers that are being written, or whose prompts are being read.
  public var running = 0
  /// Rows of prompts that are still to be read, as many as a decoder layer sees of them on average.
  public var queuedRows = 0.0
  /// Pictures that are still to be encoded.
  public var queuedPictures = 0
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
  /// Prompt rows that are read in a second, those of a layer on average; 0 before anything was read.
  public var rowsPerSecond = 0.0
  /// Seconds that encoding a picture takes; 0 before any was encoded.
  public var secondsPerPicture = 0.0
  /// Longest time between two steps in which something was being written, in seconds.
  public var longestStep = 0.0

  /// Nothing was done.
  public init() {}

  /// Seconds to the first token of a request that comes now.
  ///
  /// - Parameters:
  ///   - rows: its prompt's rows, as many as a layer sees on average.
  ///   - pictures: those that have to be encoded.
  public func expectedSeconds(rows: Double, pictures: Int) -> Double {
    let reading = rowsPerSecond > 0 ? (queuedRows + rows) / rowsPerSecond : 0
    return reading + Double(queuedPictures + pictures) * secondsPerPicture
  }

  /// Takes a measurement of a speed into a moving average.
  mutating func note(rows: Double, seconds: Double) {
    guard rows >= 8, seconds > 0 else { return }
    rowsPerSecond = Self.mixed(rowsPerSecond, rows / seconds)
  }

  mutating func note(pictureSeconds: Double) { secondsPerPicture = Self.mixed(secondsPerPicture, pictureSeconds) }

  private static func mixed(_ old: Double, _ new: Double) -> Double { old == 0 ? new : 0.8 * old + 0.2 * new }
}
