import Basics
import Foundation

/// What `epic base` does: the embedded model from nothing, half trained (`start`) and trained (`finished`).
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
    let options = [
      "--pictures", "\(pictures)", "--align-steps", "\(alignSteps)", "--steps", "\(training.steps)", "--start-steps",
      "\(training.startSteps)", "--seed", "\(training.seed)",
    ]
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
    [
      .init(name: "data", title: "pictures and questions", estimate: 2 + Double(pictures) / 900) {
        try await folder.epic([
          "data", "make", "shapes", "--output", folder.path("data"), "--train", "\(pictures)", "--tune", "0", "--test", "0",
          "--seed", "\(training.seed)",
        ])
      },
      .init(name: "align", title: "a tower that knows the words", estimate: 3 + Double(alignSteps) * 0.35) {
        // Saved whole or not at all.
        if isThere("aligned") { return true }
        let compute = ["--device", training.device] + (training.threads.map { ["--threads", "\($0)"] } ?? [])
        let arguments = ["align", "--output", folder.path("aligned"), "--steps", "\(alignSteps)", "--seed", "\(training.seed)"]
        return try await folder.epic(arguments + compute)
      },
      .init(name: "train", title: "training", estimate: 3 + Double(training.steps) * 0.75) {
        try await folder.train(training.yaml { folder.path($0) })
      },
      .init(name: "checkpoints", title: "two checkpoints", estimate: 1) {
        for (name, step) in [("start", training.startSteps), ("finished", training.steps)] where !isThere(name) {
          let source = folder.path(DemoFolder.checkpoint(after: step))
          if try await !folder.epic(["convert", source, folder.path(name), "--dtype", "bf16"]) { return false }
        }
        return true
      },
    ]
  }
}
