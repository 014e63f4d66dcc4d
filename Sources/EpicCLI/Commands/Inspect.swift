import ArgumentParser
import Basics
import Foundation
import LLaVA
import Training

/// What a checkpoint is, without reading its weights.
struct Inspect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a checkpoint is: layout, configuration, parameters, memory; or how far a training run is.",
    discussion: """
      Of a checkpoint that a run has written it says as well which step it is, what it was trained with, which processes wrote it, whether it is \
      complete, and how it can be gone on with. A run's folder is listed with all its checkpoints.

      Example: epic inspect llava-hf/llava-1.5-7b-hf --verify
      """)

  @Argument(
    help: ArgumentHelp("The checkpoint or the folder of a run, or org/name[@revision] on the hub.", valueName: "model"))
  var checkpoint: ModelSource

  @Flag(
    help: "Read every weight, the tokenizer, the chat template and the image processor as well, and say what is wrong with each.")
  var verify = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() async throws {
    let folder = try await checkpoint.place()
    if let final = PartialName.finalName(of: folder.lastPathComponent) {
      throw InputError(
        description:
          "\(folder.relativePath): is an incomplete \(final), being written or left by a program that was killed; its run removes it when it goes on"
      )
    }
    if RunSummary.isOne(folder) {
      let summary = try RunSummary(folder)
      return try json ? printJSON(summary) : printLine(summary.text(folder))
    }
    let reader = try CheckpointReader(folder)
    let run = RunCheckpoint.isOne(folder) ? try RunCheckpointReport(RunCheckpoint(reader), in: folder) : nil
    let verification = verify ? waiting(for: "reading all of it") { CheckpointVerification(reader) } : nil
    if let faults = verification?.faults, !faults.isEmpty {
      for part in faults { printError("epic: \(part.name): \(part.fault ?? "")") }
      throw ExitCode.failure
    }
    let report = try CheckpointReport(reader, verification, run)
    try json ? printJSON(report) : printLine(report.text)
  }
}
