import ArgumentParser
import Basics
import Demo
import Foundation
import LLaVA
import Torch

extension Course: ExpressibleByArgument {}

/// The embedded model's tower, taught to see.
struct AlignCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "align", abstract: "Make an embedded model with a tower that knows shapes and a decoder that knows nothing.",
    discussion: """
      Tower and projector learn from freshly drawn scenes to give every patch the words of what it shows. It is the first step of \
      epic base; epic train goes on from here.

      Example: epic align --output aligned
      """)

  @Option(help: "What the model is for: \(Course.allCases.map(\.rawValue).joined(separator: ", ")).")
  var course = Course.shapes

  @Option(help: ArgumentHelp("Folder to write; must not exist.", valueName: "dir"))
  var output: String

  @Option(
    help:
      "Optimizer steps of 48 pictures, or of 96 frames; \(Course.shapes.alignmentSteps), or \(Course.movingShapes.alignmentSteps), unless given."
  )
  var steps: Int?

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @OptionGroup var compute: DeviceOptions

  func validate() throws {
    if let steps, !(1...1_000_000).contains(steps) { throw ValidationError("--steps is \(steps), expected 1...1000000") }
  }

  func run() async throws {
    let steps = steps ?? course.alignmentSteps
    var options = Alignment.Options(course)
    (options.steps, options.seed) = (steps, seed)
    options.device = try compute.prepare()
    let folder = URL(fileURLWithPath: output)
    if FileManager.default.fileExists(atPath: folder.path) { throw CheckpointError.exists(folder.path) }
    let alignment = try Alignment(course, options)
    let line = ProgressLine()
    defer { line.clear() }
    let rate = ProgressRate(total: steps)
    try alignment.run { step, loss in
      line.show { "\(rate.text(step)), loss \(String(format: "%.4f", loss))" }
      guard step % 100 == 0 || step == steps else { return }
      line.clear()
      try printLine("step \(step): loss \(String(format: "%.4f", loss))")
    }
    // What a few steps have taught shows on a few scenes.
    let accuracies = try alignment.accuracies(scenes: min(100, 4 * steps))
    try alignment.write(to: folder)
    line.clear()
    let text = accuracies.map { "\($0.group) \(String(format: "%.3f", $0.accuracy))" }.joined(separator: ", ")
    try printLine("patches of new scenes with the right word: \(text)")
    try printLine("\(output): saved")
  }
}
