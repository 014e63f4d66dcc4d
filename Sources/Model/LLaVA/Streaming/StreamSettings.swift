/// How a stream of frames is looked at.
public struct StreamSettings: Sendable {
  /// What becomes of positions when old frames have left.
  public enum Positions: String, Sendable, CaseIterable, Codable {
    /// They stay as they were, and gaps grow, until the model's context ends; then what is left moves to its beginning.
    case kept
    /// What is left moves up behind the beginning each time, so that positions have no gap there; keys are turned accordingly.
    case moved
  }

  /// Visual tokens that may be read in each second; nil for all.
  public var tokensPerSecond: Double?
  /// Most tokens that are saved up for a frame that shows much that is new; nil for those of a whole frame.
  public var burst: Double?
  /// Tokens whose cosine with the frame before is larger are not read, even where they might be; nil to read what may be.
  public var threshold: Double?
  /// Seconds for which a frame's tokens are kept.
  public var window = 16.0
  /// Visual tokens of the video's beginning that are kept for good, beside the text in front of the video.
  public var sink = 0
  /// What becomes of positions.
  public var positions = Positions.kept
  /// How answers are drawn.
  public var options = GenerationOptions()

  /// All tokens, 16 seconds, positions kept.
  public init() {}

  /// Checks the numbers.
  ///
  /// - Throws: `StreamError.setting`.
  public func validate() throws {
    if let fault { throw StreamError.setting(name: fault.name, reason: fault.reason) }
  }

  private var fault: (name: String, reason: String)? {
    func wrong(_ value: Double?) -> Bool { value.map { !($0 >= 0 && $0 <= 1e9) } ?? false }
    if wrong(tokensPerSecond) { return ("tokens-per-second", "is \(tokensPerSecond ?? 0), expected 0 or more") }
    if wrong(burst) { return ("burst", "is \(burst ?? 0), expected 0 or more") }
    if !(window > 0 && window <= 1e9) { return ("window", "is \(window), expected seconds, more than 0") }
    if let threshold, !(-1...1).contains(threshold) { return ("threshold", "is \(threshold), expected a cosine, -1...1") }
    if !(0...1 << 30).contains(sink) { return ("sink", "is \(sink), expected 0 or more") }
    return options.compression == nil
      ? nil : ("compression", "is a plan, which streams do not take; tokens are chosen as frames come")
  }
}

/// What is wrong with a stream, or with what is asked of it.
public enum StreamError: Error, Equatable, CustomStringConvertible {
  /// A setting makes no sense.
  case setting(name: String, reason: String)
  /// A frame that came before one that is there already, or at no time at all.
  case time(seconds: Double, last: Double)
  /// A question before the first frame.
  case noFrames
  /// The conversation's form puts something in front of the video that depends on the question.
  case template
  /// A frame or a window of them that does not fit into the model's context.
  case tooLong(tokens: Int, maximum: Int)
  /// An earlier step failed, and the cache is gone.
  case ended

  /// One sentence for people.
  public var description: String {
    switch self {
    case .setting(let name, let reason): "\(name) \(reason)"
    case .time(let seconds, let last):
      "a frame at \(seconds) s came after one at \(last) s; frames come in the order of time"
    case .noFrames: "there is no frame yet; ask once one has come"
    case .template: "the model's conversation template puts the question in front of the video; choose another template"
    case .tooLong(let tokens, let maximum):
      "a frame takes \(tokens) tokens of a context of \(maximum); ration tokens, or show smaller frames"
    case .ended: "the stream ended with an earlier failure; begin a new one"
    }
  }
}

/// What a stream has done so far.
public struct StreamReport: Sendable, Equatable, Codable {
  /// Frames that were read.
  public internal(set) var frames = 0
  /// Seconds from the first frame to the last.
  public internal(set) var seconds = 0.0
  /// Visual tokens of all frames.
  public internal(set) var tokens = 0
  /// Those that the decoder read.
  public internal(set) var keptTokens = 0
  /// Those that have left the cache since.
  public internal(set) var forgottenTokens = 0
  /// Tokens of text and video that the cache holds.
  public internal(set) var cachedTokens = 0
  /// Bytes of keys and values that the cache holds.
  public internal(set) var kvCacheBytes = 0

  /// Nothing yet.
  public init() {}

  /// Visual tokens that were read in a second, on average.
  public var keptPerSecond: Double { seconds > 0 ? Double(keptTokens) / seconds : Double(keptTokens) }
}
