/// A number that goes in a straight line from one value to another while training goes on, and then stays.
public struct Ramp: Sendable, Hashable {
  /// The value at progress 0.
  public var start: Double
  /// The value from progress `reached` on.
  public var end: Double
  /// Progress at which the end is reached, above 0 and up to 1.
  public var reached: Double

  /// From `start` to `end`.
  public init(_ start: Double, _ end: Double, reached: Double = 1) {
    self.start = start
    self.end = end
    self.reached = reached
  }

  /// One value from the first step to the last.
  public init(constant: Double) { self.init(constant, constant) }

  /// Reads `0.9` (constant), `0.05:0.9` (start and end), or `0.1:0.3:0.4` (and the progress at which the end is reached).
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
    let numbers = parts.compactMap { $0 }
    guard numbers.count == parts.count, (1...3).contains(numbers.count) else { return nil }
    self.init(numbers[0], numbers.count > 1 ? numbers[1] : numbers[0], reached: numbers.count > 2 ? numbers[2] : 1)
  }

  /// The value at a moment of training.
  public func value(at progress: Double) -> Double {
    if progress >= reached { return end }
    return progress > 0 ? start + (end - start) * (progress / reached) : start
  }
}

extension Ramp: CustomStringConvertible {
  /// As `init(_:)` reads it.
  public var description: String {
    if start == end { return "\(end)" }
    return reached == 1 ? "\(start):\(end)" : "\(start):\(end):\(reached)"
  }
}
