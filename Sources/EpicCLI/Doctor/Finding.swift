import Basics

/// One thing that `epic doctor` looked at.
struct Finding: Encodable, Equatable {
  /// How it is.
  enum State: String, Encodable {
    /// As it should be.
    case good
    /// Something to know, or to do better.
    case note
    /// Something that does not work.
    case problem
  }

  /// What was looked at, in one or two words.
  let name: String
  /// What was found.
  let value: String
  var state = State.good
  /// What to do about it.
  var advice: String?

  /// Lines for people: name and value, and the advice below.
  func lines(width: Int) -> [String] {
    let mark = state == .problem ? "!" : " "
    let first = "\(mark) \(name.leftAligned(width))  \(value)"
    return [first] + (advice.map { ["  \(String(repeating: " ", count: width))  → \($0)"] } ?? [])
  }
}
