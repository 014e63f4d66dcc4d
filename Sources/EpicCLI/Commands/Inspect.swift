import ArgumentParser
import Foundation
import LLaVA
import Torch

/// What a checkpoint is, without reading its weights.
struct Inspect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a checkpoint is: layout, configuration, parameters, memory.")

  @Argument(help: ArgumentHelp("Folder of the checkpoint.", valueName: "dir"))
  var checkpoint: String

  @Flag(help: "Read every weight as well and report NaN, infinite numbers and wrong shapes.")
  var verify = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() async throws {
    let reader = try CheckpointReader(URL(fileURLWithPath: checkpoint))
    let report = CheckpointReport(reader)
    if verify { _ = try LLaVAModel(reader.configuration, from: VerifyingParameters(reader: reader)) }
    if json {
      try printJSON(report)
    } else {
      try printLine(report.text + (verify ? "\nweights     all there, of the right shape, finite" : ""))
    }
  }
}

/// Reads and checks each weight and keeps an empty stand-in, so that a model larger than memory can be verified.
private struct VerifyingParameters: ParameterSource {
  let reader: CheckpointReader

  func contains(_ name: String) -> Bool { reader.contains(name) }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    let tensor = try reader.parameter(name, shape: shape)
    return try Tensor.zeros([1], tensor.dtype).expanded(shape.isEmpty ? [1] : shape)
  }
}
