/// How much an engine does at a time.
public struct EngineOptions: Sendable {
  /// Most answers that are written at a time.
  public var maximumSequences = 32
  /// Most requests that wait behind them; further ones are refused.
  public var maximumQueued = 128
  /// Most bytes of keys and values of the answers that are being written.
  public var cacheBytes = 2 << 30
  /// Most bytes of features, and of keys and values, that are kept for further questions about a picture; 0 keeps none.
  public var sharedBytes = 1 << 30
  /// Longest time that reading prompts may keep running answers from their next token.
  public var stall = Duration.milliseconds(200)
  /// Most bytes of an answer that wait for a slow reader.
  public var replyBytes = 1 << 20
  /// Threads that decode and prepare pictures.
  public var pictureThreads = 2

  /// The usual numbers.
  public init() {}
}

/// Why the engine does not answer.
public enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
  /// There are as many requests as may wait.
  case full
  /// No new ones are taken.
  case draining
  /// The keys and values of this one alone are more than may be held.
  case tooLarge(bytes: Int, limit: Int)
  /// The reader took nothing for too long.
  case slowReader
  /// The machine failed in the middle of a step.
  case lost(reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .full: "the server is busy, and as many requests wait as may"
    case .draining: "the server is shutting down"
    case .tooLarge(let bytes, let limit): "the request takes \(bytes) bytes of cache, of \(limit) that the server has; shorten it"
    case .slowReader: "the answer was not read for too long"
    case .lost: "the answer was lost in a failure of the server"
    }
  }
}
