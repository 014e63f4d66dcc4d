import ArgumentParser
import Foundation
import LLaVA
import Torch

/// A checkpoint in another layout or precision.
struct Convert: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another layout or precision.",
    discussion: "Weights pass one by one, so a model larger than memory can be converted.")

  @Argument(help: .model("The checkpoint"))
  var source: ModelSource

  @Argument(help: ArgumentHelp("Folder to write; must not exist.", valueName: "to-dir"))
  var destination: String

  @Option(help: "Layout to write: hf (what transformers loads) or original (LLaVA's own).")
  var layout = CheckpointLayout.huggingFace

  @Option(help: "Precision to write; as it is unless given.")
  var dtype: DType?

  @Option(help: ArgumentHelp("Split files larger than this many bytes.", valueName: "bytes"))
  var shardBytes = 5_000_000_000

  func validate() throws {
    if shardBytes < 1 { throw ValidationError("--shard-bytes is \(shardBytes), expected 1 or more") }
  }

  func run() async throws {
    let reader = try CheckpointReader(await source.folder())
    let place = URL(fileURLWithPath: destination)
    try CheckpointWriter.convert(reader, to: place, layout: layout, dtype: dtype, shardBytes: shardBytes)
    try printLine("\(destination): \(layout.rawValue), \(dtype?.description ?? "stored precision")")
  }
}

extension CheckpointLayout: ExpressibleByArgument {}
