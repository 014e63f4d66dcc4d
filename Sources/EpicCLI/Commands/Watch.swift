import ArgumentParser
import Basics
import Foundation
import LLaVA
import Video

/// A video as it comes, of any length.
struct Watch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch a video as it comes, of any length, and answer questions on the way.",
    discussion: """
      Frames are read one by one; of each those tokens stay that differ most from the frame before, so many a second on average.
      What is older than the window is forgotten, so that memory stays as it is for videos of any length.
      A question is answered from what has been seen up to its time: --ask "What moves?@12.5"
      With --video - the video comes through standard input, as Matroska, WebM, MPEG-TS or fragmented MP4.
      At the pace of the clock, frames that are late are dropped and counted.

      Example: epic watch --model Qwen/Qwen2.5-VL-3B-Instruct --video street.mp4 --tokens-per-second 60 --ask 'What moves?@12.5'
      """)

  enum PaceName: String, ExpressibleByArgument, CaseIterable { case clock, free }

  @OptionGroup var model: ModelOptions

  @Option(help: ArgumentHelp("The video; `-` reads it from standard input.", valueName: "file"))
  var video: String

  @Option(help: "Frames of a second that are looked at.")
  var fps = FrameSampling.standardFPS

  @Option(help: "Visual tokens of a second that are read, on average; all unless given.")
  var tokensPerSecond: Double?

  @Option(help: "Most tokens that are saved up for a frame that shows much that is new; those of a whole frame unless given.")
  var burst: Double?

  @Option(help: "Tokens that are this similar to the frame before or more (cosine) are never read.")
  var threshold: Double?

  @Option(help: ArgumentHelp("Seconds for which frames are remembered: 16s.", valueName: "time"))
  var window = Seconds(16)

  @Option(help: "Visual tokens of the video's beginning that are remembered for good.")
  var sink = 0

  @Option(help: "Positions of what is remembered: kept as they were, or moved up behind the beginning as frames are forgotten.")
  var positions = StreamSettings.Positions.kept

  @Option(help: "Frames come as the clock says, and late ones are dropped (clock); or none waits and none is dropped (free).")
  var pace = PaceName.clock

  @Option(help: ArgumentHelp("How late a frame may be before it is dropped: 1s.", valueName: "time"))
  var maxLag = Seconds(1)

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A question, and at which second of the video it is asked; may be given several times.", valueName: "text@time"))
  var ask: [TimedQuestion] = []

  @Option(
    help: ArgumentHelp(
      "Questions in place of --ask, a JSON object in each line: question, seconds, and answer where it is known.",
      valueName: "file"))
  var questions: String?

  @OptionGroup var sampling: SamplingOptions

  @Flag(help: "Print one JSON object at the end: answers, tokens, lag and memory.")
  var json = false

  func validate() throws {
    if ask.isEmpty, questions == nil {
      throw ValidationError("--ask is missing: a question and its time, as \"What moves?@12.5\"")
    }
    if !ask.isEmpty, questions != nil { throw ValidationError("--ask and --questions exclude each other; give one of them") }
    if let fault = FrameSampling(fps: fps).fault { throw ValidationError("--fps: \(fault)") }
    do {
      try settings.validate()
    } catch let error as StreamError {
      throw ValidationError("--\(error)")
    }
  }

  private var settings: StreamSettings {
    var settings = StreamSettings()
    (settings.tokensPerSecond, settings.burst, settings.threshold) = (tokensPerSecond, burst, threshold)
    (settings.window, settings.sink, settings.positions) = (window.value, sink, positions)
    settings.options = sampling.options
    return settings
  }

  func run() async throws {
    let known = try questions.map { try WatchQuestions(contentsOf: URL(fileURLWithPath: $0)) }
    let folder = try await model.model.folder()
    let stream =
      try video == "-"
      ? FrameStream(pipe: .standardInput, name: "standard input", fps: fps)
      : FrameStream(contentsOf: URL(fileURLWithPath: video), fps: fps)
    let pipeline = try model.load(from: folder)
    var session = try VideoSession(pipeline, settings)
    let signals = StopSignals()
    let run = StreamRun(known?.questions ?? ask.map(\.question), pace: pace == .clock ? .clock(most: maxLag.value) : .free)
    var report = WatchReport()
    let line = ProgressLine()
    defer { line.clear() }
    let counts = try run.run(stream, &session, shouldStop: { signals.haveCome }) { event in
      switch event {
      case .frame(let seconds, let stream):
        report.note(seconds, stream)
        line.show { String(format: "%.0f s of the video", seconds) }
      case .question(let question):
        line.clear()
        if !json { try printLine(String(format: "%.1f s  ", question.seconds) + question.text) }
      case .text(let piece): if !json { try printNow(piece) }
      case .answer(let question, let answer):
        report.answers.append(.init(question, answer, right: known?.answer(to: question)))
        if !json { try printLine("\n") }
      }
    }
    line.clear()
    report.finish(session.report, counts)
    try json ? printJSON(report) : printLine(report.text)
  }
}

/// A number of seconds: `16`, `16s` or `0.5s`.
struct Seconds: ExpressibleByArgument, CustomStringConvertible {
  var value: Double
  init(_ value: Double) { self.value = value }

  init?(argument: String) {
    let digits = argument.hasSuffix("s") ? argument.dropLast() : argument[...]
    guard let value = Double(digits), value.isFinite, value >= 0 else { return nil }
    self.value = value
  }

  var description: String { String(format: "%gs", value) }
  var defaultValueDescription: String { description }
}

/// A question with its time behind the last `@`.
struct TimedQuestion: ExpressibleByArgument {
  var question: StreamRun.Question

  init?(argument: String) {
    guard let at = argument.lastIndex(of: "@"), let time = Seconds(argument: String(argument[argument.index(after: at)...]))
    else {
      return nil
    }
    let text = argument[..<at].trimmingCharacters(in: .whitespaces)
    if text.isEmpty { return nil }
    question = StreamRun.Question(text, at: time.value)
  }
}

extension StreamSettings.Positions: ExpressibleByArgument {}
