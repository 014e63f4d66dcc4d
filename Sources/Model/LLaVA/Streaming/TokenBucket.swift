/// Rations tokens over time: so many come in each second, and what is not used is kept up to a limit.
public struct TokenBucket: Sendable, Equatable {
  /// Tokens that come in each second.
  public let perSecond: Double
  /// The most that are kept.
  public let burst: Double
  private var level: Double
  private var time: Double?

  /// A full bucket.
  ///
  /// - Parameters:
  ///   - perSecond: 0 or more.
  ///   - burst: the most that it holds, and what it begins with.
  public init(perSecond: Double, burst: Double) {
    (self.perSecond, self.burst, level) = (max(0, perSecond), max(0, burst), max(0, burst))
  }

  /// Whole tokens that may be taken at a time; time does not go back.
  public mutating func available(at seconds: Double) -> Int {
    if let time { level = min(burst, level + max(0, seconds - time) * perSecond) }
    time = max(seconds, time ?? seconds)
    // A last bit of a sum must not cost a token.
    return Int(min(level + 1e-6, Double(1 << 40)))
  }

  /// Takes tokens, no more than are available.
  public mutating func take(_ tokens: Int) { level -= Double(tokens) }
}
