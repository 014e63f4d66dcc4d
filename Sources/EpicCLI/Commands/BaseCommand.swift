import ArgumentParser
import Basics
import Demo
import Foundation
import Torch

/// The embedded model, made from nothing.
struct BaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "base",
    abstract: "Make the embedded model from nothing: half trained (start) and trained (finished), as they come with the program.",
    discussion: """
      Draws pictures, aligns a tower with words (epic align), and trains the decoder to answer (epic train); every step is printed as you \
      could type it. The same command goes on where it was interrupted. Other seeds make other models for epic lab.
      """)

  @Option(help: ArgumentHelp("Folder for everything.", valueName: "dir"))
  var output: String

  @Option(help: "Pictures to train on.")
  var pictures = 24_000

  @Option(help: "Optimizer steps of the alignment.")
  var alignSteps = 700

  @Option(help: "Optimizer steps of the training, 32 samples each.")
  var steps = BaseTraining().steps

  @Option(help: "The step after which the half trained model is taken.")
  var startSteps = BaseTraining().startSteps

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  @Option(help: "Where to compute: cpu, cuda or cuda:N.")
  var device = "cpu"

  func validate() throws {
    for (name, value) in [
      ("pictures", pictures), ("align-steps", alignSteps), ("steps", steps), ("start-steps", startSteps),
      ("threads", threads ?? 1),
    ] where !(1...10_000_000).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...10000000")
    }
    if startSteps > steps { throw ValidationError("--start-steps is \(startSteps), expected at most --steps, \(steps)") }
    _ = try checkOption("--device") { try Device(name: device) }
  }

  func run() async throws {
    var training = BaseTraining()
    (training.steps, training.startSteps, training.seed) = (steps, startSteps, seed)
    (training.threads, training.device) = (threads, device)
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let work = try await BaseWork(
      pictures: pictures, alignSteps: alignSteps, training, in: folder, console: TerminalConsole())
    guard let times = try await work.run() else { return }
    let (start, finished) = (folder.appending(path: "start"), folder.appending(path: "finished"))
    let total = times.reduce(0) { $0 + $1.seconds }
    try printLine("\nmade \(start.relativePath) and \(finished.relativePath) in \(formatDuration(total))")
  }
}
