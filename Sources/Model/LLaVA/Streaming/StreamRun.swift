import Foundation
import Imaging
import Video

/// Shows the frames of a stream to a session, at the pace of a clock or as fast as they are read, and asks questions at their times.
public struct StreamRun: Sendable {
  /// A question and when it is asked, in seconds of the video: every frame up to then has been shown, and no later one.
  public struct Question: Sendable, Equatable {
    /// What is asked.
    public var text: String
    /// When.
    public var seconds: Double

    /// A question at a time.
    public init(_ text: String, at seconds: Double) { (self.text, self.seconds) = (text, seconds) }
  }

  /// Who sets the pace.
  public enum Pace: Sendable, Equatable {
    /// A clock: frames are not shown before they are due, and those are dropped that are late by more than some seconds.
    case clock(most: Double)
    /// Nobody: no frame waits, and none is dropped.
    case free
  }

  /// A clock in seconds.
  public struct Clock: Sendable {
    /// Seconds since some time.
    public var now: @Sendable () -> Double
    /// Waits until then.
    public var wait: @Sendable (_ until: Double) -> Void

    /// A clock of its parts.
    public init(now: @escaping @Sendable () -> Double, wait: @escaping @Sendable (_ until: Double) -> Void) {
      (self.now, self.wait) = (now, wait)
    }

    /// The time that passes.
    public static var real: Clock {
      let start = ContinuousClock.now
      @Sendable func now() -> Double { (ContinuousClock.now - start) / .seconds(1) }
      return Clock(now: now) { until in Thread.sleep(forTimeInterval: max(0, until - now())) }
    }
  }

  /// What happens on the way.
  public enum Event: Sendable {
    /// A question is asked now.
    case question(Question)
    /// A piece of its answer.
    case text(String)
    /// Its whole answer.
    case answer(Question, Answer)
    /// A frame has been shown, and what has been done so far.
    case frame(seconds: Double, StreamReport)
  }

  /// What came of it.
  public struct Counts: Sendable, Equatable, Codable {
    /// Frames that were late by more than they may be, and were not looked at.
    public var droppedFrames = 0
    /// Seconds between when a frame was due and when it had been read, on average and at most; 0 where nobody sets the pace.
    public var meanLag = 0.0
    /// The most.
    public var maxLag = 0.0

    /// Nothing yet.
    public init() {}
  }

  /// Who sets the pace.
  public var pace: Pace
  /// Questions; those behind the video's end are asked at its end.
  public var questions: [Question]
  /// The clock.
  public var clock: Clock

  /// A run of its parts.
  public init(_ questions: [Question], pace: Pace, clock: Clock = .real) {
    self.questions = questions.enumerated().sorted { ($0.element.seconds, $0.offset) < ($1.element.seconds, $1.offset) }.map(
      \.element)
    (self.pace, self.clock) = (pace, clock)
  }

  /// Runs to the stream's end.
  ///
  /// - Parameters:
  ///   - shouldStop: asked before each frame and each piece of an answer.
  ///   - receive: is given what happens.
  /// - Throws: as the stream and the session, and what `receive` throws.
  public func run(
    _ stream: FrameStream, _ session: inout VideoSession, shouldStop: () -> Bool = { false }, receive: (Event) throws -> Void
  ) throws -> Counts {
    var (counts, shown, lags) = (Counts(), 0, 0.0)
    var open = questions[...]
    let start = clock.now()
    func lateness(_ seconds: Double) -> Double { clock.now() - start - seconds }
    func isWanted(_ seconds: Double) -> Bool {
      guard case .clock(let most) = pace, lateness(seconds) > most else { return true }
      counts.droppedFrames += 1
      return false
    }
    while !shouldStop(), let frame = try stream.next(where: isWanted) {
      while let next = open.first, next.seconds < frame.time, session.report.frames > 0 {
        try ask(next, session, shouldStop, receive)
        open.removeFirst()
      }
      if case .clock = pace { clock.wait(start + frame.time) }
      try session.push(frame.image, at: frame.time)
      if case .clock = pace {
        let lag = max(0, lateness(frame.time))
        (lags, counts.maxLag) = (lags + lag, max(counts.maxLag, lag))
      }
      shown += 1
      try receive(.frame(seconds: frame.time, session.report))
    }
    counts.meanLag = lags / Double(max(1, shown))
    for next in open where !shouldStop() { try ask(next, session, shouldStop, receive) }
    return counts
  }

  private func ask(
    _ question: Question, _ session: VideoSession, _ shouldStop: () -> Bool, _ receive: (Event) throws -> Void
  ) throws {
    try receive(.question(question))
    var failure: (any Error)?
    let answer = try session.answer(question.text) { piece in
      do { try receive(.text(piece)) } catch { failure = error }
      return failure == nil && !shouldStop()
    }
    if let failure { throw failure }
    try receive(.answer(question, answer))
  }
}
