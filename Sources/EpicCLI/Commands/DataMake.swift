import ArgumentParser
import Basics
import Foundation
import Shapes
import Video

/// A data set made here.
struct DataMake: AsyncParsableCommand {
  enum Name: String, ExpressibleByArgument, CaseIterable {
    case shapes
    case movingShapes = "moving-shapes"
  }

  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract: "Draw an embedded data set: pictures of shapes and a sign, or videos of shapes that move, with questions.",
    discussion: """
      shapes: the folder gets train.json and images/ for epic train, and tune/ and test/ for epic eval --data, with the files of POPE, \
      GQA, VQAv2 and TextVQA.
      moving-shapes: the same with videos/, and the files of CLEVRER. With --minutes it gets one long video instead, video.avi, and \
      questions.jsonl for epic watch --questions, each about the last \(MovingStream.window) frames.
      The same numbers and seed give the same files on every machine.

      Example: epic data make shapes --output shapes --train 1000
      """)

  @Argument(help: "Which data set: shapes or moving-shapes.")
  var name: Name

  @Option(help: ArgumentHelp("Folder to make.", valueName: "dir"))
  var output: String

  @Option(
    help: "Pictures to train on, with up to ten questions each, or videos, with up to eight; 24000, or 12000, unless given.")
  var train: Int?

  @Option(help: "Pictures to make choices with, with twelve questions each, or videos, with up to seven.")
  var tune = 100

  @Option(help: "Pictures to report on, with twelve questions each, or videos, with up to seven.")
  var test = 200

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "Percent of the training answers that are wrong; pictures and questions stay the same.")
  var wrong: Int?

  @Option(help: "Of moving-shapes: frames of a video, two of them a second; those to train on have up to two more.")
  var frames = MovingShapesDataSet.standardFrames

  @Option(help: "Of moving-shapes: fewest frames of a video to train on; two less than --frames unless given.")
  var shortest: Int?

  @Option(help: "Of moving-shapes: one video of so many minutes.")
  var minutes: Double?

  @Option(help: "Frames of a second of that video.")
  var fps = 1.0

  @Option(help: "Threads that draw; all cores unless given.")
  var workers: Int?

  private var trained: Int { train ?? (name == .shapes ? 24_000 : 12_000) }

  func validate() throws {
    for (name, value, low) in [("train", trained, 0), ("tune", tune, 0), ("test", test, 0), ("workers", workers ?? 1, 1)]
    where !(low...10_000_000).contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(low)...10000000")
    }
    if let wrong, !(1...100).contains(wrong) { throw ValidationError("--wrong is \(wrong), expected 1...100 percent") }
    if trained + tune + test == 0 { throw ValidationError("--train, --tune and --test are all 0; ask for some") }
    if name == .movingShapes, wrong != nil { throw ValidationError("--wrong is for shapes") }
    if !(2...MovingWorld.longestClip).contains(frames) {
      throw ValidationError("--frames is \(frames), expected 2...\(MovingWorld.longestClip)")
    }
    if let shortest, !(1...frames).contains(shortest) {
      throw ValidationError("--shortest is \(shortest), expected 1...\(frames), the number of --frames")
    }
    if name == .shapes, minutes != nil { throw ValidationError("--minutes is for moving-shapes") }
    if let fault = FrameSampling(fps: fps).fault { throw ValidationError("--fps: \(fault)") }
    if let minutes, !(minutes > 0 && minutes * 60 * fps <= 1_000_000) {
      throw ValidationError("--minutes is \(minutes), expected more than 0 and 1000000 frames at most")
    }
  }

  func run() async throws {
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let start = ContinuousClock.now
    if let minutes {
      let stream = MovingStream(frames: Int((minutes * 60 * fps).rounded(.up)), fps: fps, seed: seed)
      try stream.write(to: folder)
      return try printLine(
        "\(output): video.avi, \(formatCount(stream.frames)) frames, and \(formatCount(stream.questions.count)) questions")
    }
    let line = ProgressLine()
    defer { line.clear() }
    let count = trained + tune + test
    let rate = ProgressRate(total: count)
    let workers = workers ?? ProcessInfo.processInfo.activeProcessorCount
    func show(_ done: Int) { line.show { rate.text(done) } }
    let questions: Int?
    switch name {
    case .shapes:
      let set = ShapesDataSet(train: trained, tune: tune, test: test, seed: seed, wrong: wrong)
      questions = try set.write(to: folder, workers: workers, progress: show).map {
        $0.trainQuestions + Self.sum($0.questions)
      }
    case .movingShapes:
      let set = MovingShapesDataSet(train: trained, tune: tune, test: test, frames: frames, shortest: shortest, seed: seed)
      questions = try set.write(to: folder, workers: workers, progress: show).map {
        $0.trainQuestions + Self.sum($0.questions)
      }
    }
    line.clear()
    guard let questions else { return try printLine("\(output): is there already") }
    let seconds = max(1e-9, (ContinuousClock.now - start) / .seconds(1))
    let what = name == .shapes ? "pictures" : "videos"
    try printLine(
      "\(output): \(formatCount(count)) \(what) with \(formatCount(questions)) questions in \(formatDuration(seconds)), "
        + "\(formatCount(Int(Double(count) / seconds))) \(what) a second")
  }

  private static func sum(_ questions: [String: [String: Int]]) -> Int {
    questions.values.reduce(0) { $0 + $1.values.reduce(0, +) }
  }
}
