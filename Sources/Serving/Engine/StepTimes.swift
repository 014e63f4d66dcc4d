/// How long an engine's work takes, learned from the work that it did.
///
/// A step reads rows of prompts and writes a token of each answer. Both are told apart, so that a step that writes many answers does not make
/// reading look slow: then ever fewer rows would be read in a step, and steps would only get dearer.
public struct StepTimes: Sendable, Equatable {
  /// Seconds that reading a row of a prompt takes that all decoder layers see; nil before any was read.
  public var secondsPerRow: Double? { read.rows > 0 ? read.seconds / read.rows : nil }
  /// Seconds that encoding a picture takes; nil before any was encoded.
  public private(set) var secondsPerPicture: Double?
  /// Seconds from one complete answer to the next while there is work; nil before there were two.
  public private(set) var secondsPerAnswer: Double?
  /// What the latest steps have read, and in which time; what was before fades.
  private var read = Reading()
  /// Seconds of a step that writes alone, by the number of answers: 1, 2 to 3, 4 to 7 and so on.
  private var writing = [Double?](repeating: nil, count: 16)

  private struct Reading: Equatable {
    var rows = 0.0
    var seconds = 0.0
  }

  /// Nothing was done yet.
  public init() {}

  /// Seconds of a step that writes a token of each of so many answers and reads nothing; 0 while nothing is known.
  ///
  /// Where that number of answers was never seen alone, the nearest smaller one counts. More answers do not take less time, so what was seen
  /// of a larger number is a bound.
  public func writing(_ answers: Int) -> Double {
    if answers < 1 { return 0 }
    let index = Self.index(answers)
    let known = writing[...index].reversed().lazy.compactMap(\.self).first
    return [known, writing[(index + 1)...].lazy.compactMap(\.self).min()].compactMap(\.self).min() ?? 0
  }

  /// Takes in a step.
  ///
  /// - Parameters:
  ///   - rows: of prompts that were read, in rows that all layers see.
  ///   - answers: that got a token.
  mutating func note(rows: Double, answers: Int, seconds: Double) {
    if rows >= 1 {
      // What a cut leaves of a step can be less than nothing, as steps vary.
      let reading = max(seconds - writing(answers), seconds / 10)
      read = Reading(rows: 0.85 * read.rows + rows, seconds: 0.85 * read.seconds + reading)
    } else if answers > 0 {
      let index = Self.index(answers)
      writing[index] = Self.mixed(writing[index], seconds)
    }
  }

  mutating func note(pictureSeconds: Double) { secondsPerPicture = Self.mixed(secondsPerPicture, pictureSeconds) }

  /// Takes in the time between two complete answers; many end at once and then none for a while, so the mean goes back far.
  mutating func note(answerSeconds: Double) {
    secondsPerAnswer = secondsPerAnswer.map { 0.9 * $0 + 0.1 * answerSeconds } ?? answerSeconds
  }

  private static func index(_ answers: Int) -> Int { min(15, Int.bitWidth - 1 - max(1, answers).leadingZeroBitCount) }

  /// A moving average that soon forgets what was slow: the first steps of a program are, and those that others disturb.
  private static func mixed(_ old: Double?, _ new: Double) -> Double {
    guard let old else { return new }
    return new < old ? 0.5 * old + 0.5 * new : 0.8 * old + 0.2 * new
  }
}
