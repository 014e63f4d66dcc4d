import ArgumentParser
import Basics
import Demo
import Distillation
import Foundation
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
      With --video a model that knows shapes that move is asked about videos, with fewer and fewer visual tokens of each second.

      Example: epic demo --output demo
      """)

  @Option(help: ArgumentHelp("Folder for everything; demo, or demo-video with --video, unless given.", valueName: "dir"))
  var output: String?

  @Flag(name: .customLong("video"), help: "Ask about videos; of the options --test, --seed and --threads count.")
  var isAboutVideos = false

  @Option(help: "Pictures to train on; as many as the steps need unless given.")
  var train: Int?

  @Option(help: "Pictures to make choices with; the demonstration makes none.")
  var tune = DemoOptions().tune

  @Option(help: "Pictures to report on, with twelve questions each, or videos, with up to seven.")
  var test = DemoOptions().test

  @Option(help: "Optimizer steps of 16 samples.")
  var steps = DemoOptions().steps

  @Option(help: "Where random numbers start; the models that come along were trained on the pictures of 0.")
  var seed = DemoOptions().seed

  @Option(help: "Curriculum: \(CurriculumDefinition.all.map(\.name).joined(separator: ", ")).")
  var curriculum = DemoOptions().curriculum

  @Option(help: ArgumentHelp("Weight λ of the teacher's word in the loss; 0 trains without a teacher.", valueName: "λ"))
  var divergenceWeight = DemoOptions().divergenceWeight

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

  @Option(help: ArgumentHelp("Visual tokens to keep, of videos percent: a list.", visibility: .hidden))
  var keep: CommaList<Int>?

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
    if isAboutVideos {
      if isFromScratch || start != nil || baseOptions != nil || train != nil {
        throw ValidationError("--video trains nothing: leave out --from-scratch, --start, --base-options and --train")
      }
      if let bad = keep?.values.first(where: { !(1...99).contains($0) }) {
        throw ValidationError("--keep is \(bad), expected 1...99 percent")
      }
    } else if (start == nil) != (finished == nil) {
      throw ValidationError("--start and --finished go together")
    }
    if isFromScratch, start != nil { throw ValidationError("--from-scratch and --start exclude each other; give one of them") }
  }

  func run() async throws {
    let folder = URL(fileURLWithPath: output ?? (isAboutVideos ? "demo-video" : "demo"), isDirectory: true)
    if isAboutVideos { return try await runVideos(in: folder) }
    var options = DemoOptions()
    (options.train, options.tune, options.test, options.steps) = (train, tune, test, steps)
    (options.seed, options.curriculum, options.divergenceWeight) = (seed, curriculum, divergenceWeight)
    (options.threads, options.isFromScratch, options.baseOptions) = (threads, isFromScratch, baseOptions)
    (options.start, options.finished, options.keep) = (start, finished, keep?.values ?? options.keep)
    let demo = try await Demonstration(options, in: folder, console: TerminalConsole())
    guard let times = try await demo.run() else { return }
    try printTimes(times)
    try printLine(
      """

      This is one run of one seed, a small model and drawn pictures: it shows what the method did here, not what it does for other \
      models, pictures or seeds. Some of the difference is what any further training gives; LAB.md sets that apart, over several seeds.

      report      \(folder.appending(path: ResultsPage.fileName).relativePath)
      """)
  }

  private func runVideos(in folder: URL) async throws {
    var options = VideoDemoOptions()
    (options.test, options.seed, options.threads, options.model) = (test, seed, threads, finished)
    options.keep = keep?.values ?? options.keep
    let demo = try await VideoDemonstration(options, in: folder, console: TerminalConsole())
    guard let times = try await demo.run() else { return }
    try printTimes(times)
    try printLine(
      """

      A video has \(VideoDemonstration.frames) frames, two of them a second. This is one small model and drawn videos: it shows what \
      the compressors did here, not what they do elsewhere.

      report      \(folder.appending(path: ResultsPage.fileName).relativePath)
      """)
  }

  private func printTimes(_ times: [(title: String, seconds: Double)]) throws {
    try printLine()
    for (title, seconds) in times + [("in all", times.reduce(0) { $0 + $1.seconds })] {
      try printLine("\(formatDuration(seconds).rightAligned(8))  \(title)")
    }
  }
}
