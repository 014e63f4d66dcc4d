import ArgumentParser
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
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let state = try DemoState.open(folder, command: "base", options: options)
    let process = try DemoProcess(in: folder, StopSignals())
    var steps = DemoSteps(in: folder, state)
    let all = self.steps(folder, process)
    guard try steps.run(all) else { return try printLine("\nstopped     what is done is kept; the same command goes on") }
    let total = steps.times(all).reduce(0) { $0 + $1.seconds }
    try printLine("\nmade \(path(folder, "start")) and \(path(folder, "finished")) in \(formatDuration(total))")
  }

  /// What changes results, as flags.
  private var options: [String] {
    [
      "--pictures", "\(pictures)", "--align-steps", "\(alignSteps)", "--steps", "\(steps)", "--start-steps", "\(startSteps)",
      "--seed",
      "\(seed)",
    ]
  }

  private func path(_ folder: URL, _ name: String) -> String { folder.appending(path: name).relativePath }

  private func steps(_ folder: URL, _ process: DemoProcess) -> [DemoSteps.Step] {
    func epic(_ arguments: [String]) throws -> Bool {
      try printLine("$ \(shellLine(["epic"] + arguments))")
      return try process.run(arguments)
    }
    let compute = ["--device", device] + (threads.map { ["--threads", "\($0)"] } ?? [])
    var training = BaseTraining()
    (training.steps, training.startSteps, training.seed) = (self.steps, startSteps, seed)
    (training.threads, training.device) = (threads, device)
    return [
      .init(name: "data", title: "pictures and questions", estimate: 2 + Double(pictures) / 900) {
        try epic([
          "data", "make", "shapes", "--output", path(folder, "data"), "--train", "\(pictures)", "--tune", "0", "--test", "0",
          "--seed",
          "\(seed)",
        ])
      },
      .init(name: "align", title: "a tower that knows the words", estimate: 3 + Double(alignSteps) * 0.35) {
        let arguments = ["align", "--output", path(folder, "aligned"), "--steps", "\(alignSteps)", "--seed", "\(seed)"] + compute
        // Saved whole or not at all.
        if FileManager.default.fileExists(atPath: path(folder, "aligned")) { return true }
        return try epic(arguments)
      },
      .init(name: "train", title: "training", estimate: 3 + Double(self.steps) * 0.75) {
        let file = folder.appending(path: "train.yaml")
        let yaml = training.yaml { path(folder, $0) }
        try demoFile(file) { try Data(yaml.utf8).write(to: $0, options: .atomic) }
        try printLine(yaml)
        let isBegun = FileManager.default.fileExists(atPath: path(folder, "run/metrics.jsonl"))
        return try epic(["train", "--config", file.relativePath] + (isBegun ? ["--resume"] : []))
      },
      .init(name: "checkpoints", title: "two checkpoints", estimate: 1) {
        for (name, step) in [("start", startSteps), ("finished", self.steps)] {
          let digits = String(step)
          let source = "run/checkpoint-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits)"
          if FileManager.default.fileExists(atPath: path(folder, name)) { continue }
          let arguments = ["convert", path(folder, source), path(folder, name), "--dtype", "bf16"]
          if try !epic(arguments) { return false }
        }
        return true
      },
    ]
  }
}
