import ArgumentParser
import Basics
import Foundation
import Shapes

/// A data set made here.
struct DataMake: AsyncParsableCommand {
  enum Name: String, ExpressibleByArgument, CaseIterable { case shapes }

  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract: "Draw the embedded data set: scenes of shapes and a sign, with questions to train and test on.",
    discussion: """
      The folder gets train.json and images/ for epic train, and tune/ and test/ for epic eval --data, with the files of POPE, GQA, \
      VQAv2 and TextVQA. The same numbers and seed give the same files on every machine.
      """)

  @Argument(help: "Which data set: shapes.")
  var name: Name

  @Option(help: ArgumentHelp("Folder to make.", valueName: "dir"))
  var output: String

  @Option(help: "Pictures to train on, with up to ten questions each.")
  var train = 24_000

  @Option(help: "Pictures to make choices with, with twelve questions each.")
  var tune = 100

  @Option(help: "Pictures to report on, with twelve questions each.")
  var test = 200

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "Percent of the training answers that are wrong; pictures and questions stay the same.")
  var wrong: Int?

  @Option(help: "Threads that draw; all cores unless given.")
  var workers: Int?

  func validate() throws {
    for (name, value, low) in [("train", train, 0), ("tune", tune, 0), ("test", test, 0), ("workers", workers ?? 1, 1)]
    where !(low...10_000_000).contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(low)...10000000")
    }
    if let wrong, !(1...100).contains(wrong) { throw ValidationError("--wrong is \(wrong), expected 1...100 percent") }
    if train + tune + test == 0 { throw ValidationError("--train, --tune and --test are all 0; ask for some pictures") }
  }

  func run() async throws {
    let set = ShapesDataSet(train: train, tune: tune, test: test, seed: seed, wrong: wrong)
    let line = ProgressLine()
    defer { line.clear() }
    let count = train + tune + test
    let (rate, start) = (ProgressRate(total: count), ContinuousClock.now)
    let workers = workers ?? ProcessInfo.processInfo.activeProcessorCount
    let summary = try set.write(to: URL(fileURLWithPath: output, isDirectory: true), workers: workers) { done in
      line.show { rate.text(done) }
    }
    line.clear()
    guard let summary else { return try printLine("\(output): is there already") }
    let seconds = max(1e-9, (ContinuousClock.now - start) / .seconds(1))
    let questions = summary.trainQuestions + summary.questions.values.reduce(0) { $0 + $1.values.reduce(0, +) }
    try printLine(
      "\(output): \(formatCount(count)) pictures with \(formatCount(questions)) questions in \(formatDuration(seconds)), "
        + "\(formatCount(Int(Double(count) / seconds))) pictures a second")
  }
}
