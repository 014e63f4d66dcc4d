import Foundation
import Testing

/// How long tests wait for what should come soon.
///
/// Long, because a wait ends a test that hangs and says nothing of how fast the machine is: tests run side by side, and other programs may run
/// beside them.
public enum Patience {
  /// Seconds until something is given up.
  public static let seconds: Double = 300

  /// Waits until something holds.
  ///
  /// - Returns: whether it does; where it does not in time, an issue is recorded with the description.
  @discardableResult
  public static func wait(
    for what: @autoclosure () -> String, until holds: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while try await !holds() {
      if ContinuousClock.now > end {
        Issue.record("waited in vain for \(what())", sourceLocation: sourceLocation)
        return false
      }
      try await Task.sleep(for: .milliseconds(10))
    }
    return true
  }
}
