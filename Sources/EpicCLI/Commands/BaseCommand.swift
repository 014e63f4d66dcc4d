import ArgumentParser
import Basics
import Demo
import Foundation
import Torch

/// The embedded model, made from nothing.
struct BaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "base",
    abstract: "Make an embedded model from nothing, as it comes with the program.",
    discussion: """
      Draws pictures, aligns a tower with words (epic align), and trains the decoder to answer (epic train); every step is printed as you \
      could type it. The same command goes on where it was interrupted. Other seeds make other models for epic lab.
      A model of pictures is left half trained (start) and trained (finished); one of videos trained with all visual tokens (base) and then \
      with few (finished).

      Example: epic base --output base --seed 1
      """)

  @Option(help: ArgumentHelp("Folder for everything.", valueName: "dir"))
  var output: String

  @Option(help: "What the model is for: \(Course.allCases.map(\.rawValue).joined(separator: ", ")).")
  var course = Course.shapes

  @Option(help: "Pictures to train on, or videos; \(Course.shapes.examples), or \(Course.movingShapes.examples), unless given.")
  var train: Int?

  @Option(
    help:
      "Optimizer steps of the alignment; \(Course.shapes.alignmentSteps), or \(Course.movingShapes.alignmentSteps) of videos, unless given."
  )
  var alignSteps: Int?

  @Option(
    help:
      "Optimizer steps of the training, 32 samples each; \(BaseTraining(.shapes).steps), or \(BaseTraining(.movingShapes).steps) of videos, unless given."
  )
  var steps: Int?

  @Option(help: "Of pictures, the step after which the half trained model is taken.")
  var startSteps = BaseTraining().startSteps

  @Option(help: "Of videos, steps of the training with few tokens.")
  var fewSteps = BaseTraining().fewSteps

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  @Option(help: "Where to compute: cpu, cuda or cuda:N.")
  var device = "cpu"

  func validate() throws {
    for (name, value) in [
      ("train", train ?? 1), ("align-steps", alignSteps ?? 1), ("steps", steps ?? 1), ("start-steps", startSteps),
      ("few-steps", fewSteps), ("threads", threads ?? 1),
    ] where !(1...10_000_000).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...10000000")
    }
    let all = steps ?? BaseTraining(course).steps
    if course == .shapes, startSteps > all {
      throw ValidationError("--start-steps is \(startSteps), expected at most --steps, \(all)")
    }
    _ = try checkOption("--device") { try Device(name: device) }
  }

  func run() async throws {
    var training = BaseTraining(course)
    (training.steps, training.startSteps, training.fewSteps) = (steps ?? training.steps, startSteps, fewSteps)
    training.seed = seed
    (training.threads, training.device) = (threads, device)
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let work = try await BaseWork(
      pictures: train ?? course.examples, alignSteps: alignSteps ?? course.alignmentSteps, training, in: folder,
      console: TerminalConsole())
    guard let times = try await work.run() else { return }
    let (start, finished) = (
      folder.appending(path: course == .shapes ? "start" : "base"), folder.appending(path: "finished")
    )
    let total = times.reduce(0) { $0 + $1.seconds }
    try printLine("\nmade \(start.relativePath) and \(finished.relativePath) in \(formatDuration(total))")
  }
}
