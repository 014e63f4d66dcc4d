/// Why one line or record of a benchmark's file is not a question.
///
/// Such records are left out and listed; the others are used.
public struct RecordFault: Error, Sendable, Equatable, Codable, CustomStringConvertible {
  /// Path of the file.
  public let file: String
  /// The line at which the record begins, from 1.
  public let line: Int
  /// What was found.
  public let reason: String

  /// A fault at a place.
  public init(file: String, line: Int, reason: String) {
    self.file = file
    self.line = line
    self.reason = reason
  }

  /// One line for people.
  public var description: String { "\(file):\(line): \(reason)" }
}
