/// Where long work tells how it goes, and hears that it should come to an end.
public protocol Console: Sendable {
  /// Prints a line that stays.
  func line(_ text: String) throws
  /// Shows a text that the next one takes the place of; it is asked for only where it is seen.
  func status(_ text: () -> String)
  /// Whether somebody has asked for an end.
  var isStopping: Bool { get }
}
