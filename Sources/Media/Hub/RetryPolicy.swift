import Foundation

/// How often and after which pauses a request is made again.
public struct RetryPolicy: Sendable {
  /// How often a request that fails is made again; a transfer that brings something in between begins to count anew.
  public var attempts = 5
  /// The first pause; each further one is twice as long.
  public var pause = Duration.seconds(1)
  /// The longest pause.
  public var longestPause = Duration.seconds(8)
  /// The longest pause that a hub may ask for; where it asks for more, that is the failure.
  public var longestRequestedPause = Duration.seconds(120)
  /// How often a hub is called again that does not answer at all, before the cache is looked at.
  public var connections = 2

  /// The usual policy.
  public init() {}

  /// The pause before an attempt.
  ///
  /// - Parameters:
  ///   - attempt: 1 for the first repetition.
  ///   - requested: what the hub asks for.
  /// - Returns: nil where it should not be waited for.
  func pause(before attempt: Int, requested: Duration?) -> Duration? {
    if let requested { return requested > longestRequestedPause ? nil : requested }
    var length = pause
    for _ in 1..<max(1, min(attempt, 32)) where length < longestPause { length = length * 2 }
    // Many that were cut at the same moment should not all come back at the same moment.
    return min(length, longestPause) * Double.random(in: 0.75...1.25)
  }
}
