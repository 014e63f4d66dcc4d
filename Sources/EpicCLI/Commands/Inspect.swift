import ArgumentParser
import Foundation
import LLaVA

/// What a checkpoint is, without reading its weights.
struct Inspect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a checkpoint is: layout, configuration, parameters, memory.")

  @Argument(help: .model("The checkpoint"))
  var checkpoint: ModelSource

  @Flag(
    help: "Read every weight, the tokenizer, the chat template and the image processor as well, and say what is wrong with each.")
  var verify = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() async throws {
    let reader = try CheckpointReader(await checkpoint.folder())
    let verification = verify ? CheckpointVerification(reader) : nil
    if let faults = verification?.faults, !faults.isEmpty {
      for part in faults { printError("epic: \(part.name): \(part.fault ?? "")") }
      throw ExitCode.failure
    }
    let report = CheckpointReport(reader, verification)
    try json ? printJSON(report) : printLine(report.text)
  }
}
