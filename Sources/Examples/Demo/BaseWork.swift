import Basics
import Foundation

/// What `epic base` does: an embedded model from nothing; of pictures half trained (`start`) and trained (`finished`), of videos trained with
/// all tokens (`base`) and with few (`finished`).
public struct BaseWork {
  private let pictures: Int
  private let alignSteps: Int
  private let training: BaseTraining
  private let folder: DemoFolder
  private let state: DemoState

  /// Takes a folder for the work, a new one or one to go on with.
  ///
  /// - Parameters:
  ///   - pictures: how many are drawn to train on.
  ///   - alignSteps: optimizer steps of the tower's alignment.
  /// - Throws: `DemoError`; `ProgramError`.
  public init(
    pictures: Int, alignSteps: Int, _ training: BaseTraining, in folder: URL, console: any Console
  ) async throws {
    (self.pictures, self.alignSteps, self.training) = (pictures, alignSteps, training)
    // What changes results, as flags.
    var options = [
      "--train", "\(pictures)", "--align-steps", "\(alignSteps)", "--steps", "\(training.steps)", "--start-steps",
      "\(training.startSteps)", "--seed", "\(training.seed)",
    ]
    if training.course != .shapes { options += ["--course", training.course.rawValue, "--few-steps", "\(training.fewSteps)"] }
    state = try DemoState.open(folder, command: "base", options: options)
    self.folder = try await DemoFolder(folder, console)
  }

  /// Does all steps that are not done.
  ///
  /// - Returns: each step with the seconds that it took; nil where the console asked for an end.
  public func run() async throws -> [(title: String, seconds: Double)]? {
    var steps = DemoSteps(in: folder, state)
    return try await steps.run(self.steps)
  }

  private func isThere(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.path(name)) }

  private var steps: [DemoSteps.Step] {
    let course = training.course
    let made: [DemoSteps.Step] = [
      .init(name: "data", title: "what to learn from, and questions", estimate: 2 + Double(pictures) / 900) {
        try await folder.epic([
          "data", "make", course.rawValue, "--output", folder.path("data"), "--train", "\(pictures)", "--tune", "0", "--test",
          "0",
          "--seed", "\(training.seed)",
        ])
      },
      .init(name: "align", title: "a tower that knows the words", estimate: 3 + Double(alignSteps) * 0.35) {
        // Saved whole or not at all.
        if isThere("aligned") { return true }
        let compute = ["--device", training.device] + (training.threads.map { ["--threads", "\($0)"] } ?? [])
        let arguments = [
          "align", "--course", course.rawValue, "--output", folder.path("aligned"), "--steps", "\(alignSteps)", "--seed",
          "\(training.seed)",
        ]
        return try await folder.epic(arguments + compute)
      },
      .init(name: "train", title: "training", estimate: 3 + Double(training.steps) * 0.75) {
        try await folder.train(training.yaml { folder.path($0) })
      },
    ]
    switch course {
    case .shapes:
      return made + [
        .init(name: "checkpoints", title: "two checkpoints", estimate: 1) {
          if try await !write("start", from: "run", after: training.startSteps) { return false }
          return try await write("finished", from: "run", after: training.steps)
        }
      ]
    case .movingShapes:
      return made + [
        .init(name: "base", title: "a checkpoint", estimate: 1) { try await write("base", from: "run", after: training.steps) },
        .init(name: "long", title: "videos of all lengths", estimate: 2 + Double(pictures) / 400) {
          try await folder.epic([
            "data", "make", course.rawValue, "--output", folder.path("data-long"), "--train", "\(max(1, pictures / 3))", "--tune",
            "0",
            "--test", "0", "--frames", "\(VideoDemonstration.frames - 2)", "--shortest", "6", "--seed", "\(training.seed &+ 1)",
          ])
        },
        .init(name: "few", title: "training with few tokens", estimate: 3 + Double(training.fewSteps) * 0.75) {
          try await folder.train(training.fewYAML { folder.path($0) }, run: "run-few")
        },
        .init(name: "checkpoints", title: "another checkpoint", estimate: 1) {
          try await write("finished", from: "run-few", after: training.fewSteps)
        },
      ]
    }
  }

  /// Writes a run's checkpoint in bfloat16, unless it is there.
  private func write(_ name: String, from run: String, after step: Int) async throws -> Bool {
    if isThere(name) { return true }
    let source = folder.path(DemoFolder.checkpoint(after: step, of: run))
    return try await folder.epic(["convert", source, folder.path(name), "--dtype", "bf16"])
  }
}
