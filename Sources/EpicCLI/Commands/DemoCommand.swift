import ArgumentParser
import Demo
import Distillation
import Foundation
import LLaVA
import Results

/// A small model before and after training under compression, in minutes.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract:
      "See it all in minutes: a small model that loses sight with 11 % of its visual tokens, and wins it back by training.",
    discussion: """
      Every step is a command that is printed as you could type it, on files that stay in the output folder. The same command goes on \
      where it was interrupted. Nothing is fetched from the network.
      """)

  @Option(help: ArgumentHelp("Folder for everything.", valueName: "dir"))
  var output = "demo"

  @Option(help: "Pictures to train on; as many as the steps need unless given.")
  var train: Int?

  @Option(help: "Pictures to make choices with; the demonstration makes none.")
  var tune = 1

  @Option(help: "Pictures to report on, with twelve questions each.")
  var test = 150

  @Option(help: "Optimizer steps of 16 samples.")
  var steps = 300

  @Option(help: "Where random numbers start; the models that come along were trained on the pictures of 0.")
  var seed: UInt64 = 100

  @Option(help: "Curriculum: \(CurriculumDefinition.all.map(\.name).joined(separator: ", ")).")
  var curriculum = "token"

  @Option(help: ArgumentHelp("Weight λ of the teacher's word in the loss; 0 trains without a teacher.", valueName: "λ"))
  var divergenceWeight = 0.0

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  @Flag(name: .customLong("from-scratch"), help: "Train the model itself first, in place of the one that comes with the program.")
  var isFromScratch = false

  @Option(help: ArgumentHelp("Checkpoint that training goes on from, in place of the one that comes along.", visibility: .hidden))
  var start: String?

  @Option(help: ArgumentHelp("Checkpoint that is compared with, in place of the one that comes along.", visibility: .hidden))
  var finished: String?

  @Option(help: ArgumentHelp("More arguments of epic base, with spaces between them.", visibility: .hidden))
  var baseOptions: String?

  @Option(help: ArgumentHelp("Visual tokens to keep: a list.", visibility: .hidden))
  var keep = CommaList([64, 36, 16, 9])

  func validate() throws {
    for (name, value, low) in [
      ("train", train ?? 1, 1), ("tune", tune, 0), ("test", test, 1), ("steps", steps, 1), ("threads", threads ?? 1, 1),
    ] where !(low...10_000_000).contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(low)...10000000")
    }
    if !(0...1).contains(divergenceWeight) {
      throw ValidationError("--divergence-weight is \(divergenceWeight), expected 0...1")
    }
    _ = try checkOption("--curriculum") { try CurriculumDefinition.named(curriculum) }
    if (start == nil) != (finished == nil) { throw ValidationError("--start and --finished go together") }
    if isFromScratch, start != nil { throw ValidationError("--from-scratch and --start exclude each other; give one of them") }
  }

  func run() async throws {
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let checkpoints = try checkpointFolders()
    let state = try DemoState.open(folder, options: options)
    let signals = StopSignals()
    let process = try DemoProcess(in: folder, signals)
    let demo = Demonstration(self, folder, process, checkpoints)
    var steps = DemoSteps(in: folder, state)
    let isComplete = try steps.run(demo.steps)
    if !isComplete { return try printLine("\nstopped     what is done is kept; the same command goes on") }
    try printLine()
    for (title, seconds) in steps.times(demo.steps) { try printLine("\(formatDuration(seconds).leftPadded(8))  \(title)") }
    let total = steps.times(demo.steps).reduce(0) { $0 + $1.seconds }
    try printLine("\(formatDuration(total).leftPadded(8))  in all")
    try printLine(
      """

      This is one run of one seed, a small model and drawn pictures: it shows what the method did here, not what it does for other \
      models, pictures or seeds. Some of the difference is what any further training gives; LAB.md sets that apart, over several seeds.

      report      \(folder.appending(path: ResultsPage.fileName).relativePath)
      """)
  }

  /// What changes results, as flags.
  private var options: [String] {
    var words = [
      "--test", "\(test)", "--tune", "\(tune)", "--steps", "\(steps)", "--seed", "\(seed)", "--curriculum", curriculum,
      "--divergence-weight", "\(divergenceWeight)",
    ]
    words += ["--train", "\(trainingPictures)"] + (threads.map { ["--threads", "\($0)"] } ?? [])
    words += isFromScratch ? ["--from-scratch"] : []
    words += ["--keep", keep.values.map(String.init).joined(separator: ",")]
    for (name, value) in [("start", start), ("finished", finished), ("base-options", baseOptions)] {
      words += value.map { ["--\(name)", $0] } ?? []
    }
    return words
  }

  /// Each picture is met once.
  var trainingPictures: Int { train ?? steps * Demonstration.batch }

  /// Where the two checkpoints come from; nil where they are made.
  private func checkpointFolders() throws -> (start: URL, finished: URL)? {
    if isFromScratch { return nil }
    let given = try start.map { URL(fileURLWithPath: $0) } ?? DemoCheckpoints.folder().appending(path: "start")
    let other = try finished.map { URL(fileURLWithPath: $0) } ?? DemoCheckpoints.folder().appending(path: "finished")
    // What cannot be read is said before anything is written.
    for url in [given, other] { _ = try CheckpointReader(url).configuration }
    return (given, other)
  }
}

extension String {
  /// With blanks in front of it, `width` wide.
  fileprivate func leftPadded(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
