import ArgumentParser
import Basics
import Foundation
import LLaVA
import TestModels
import Torch

/// A checkpoint with random weights.
struct Init: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a checkpoint of a preset's size with random weights and a byte-level tokenizer.",
    discussion: """
      For trying things out, for benchmarks, and for training from scratch. It knows nothing until it is trained.

      Example: epic init --output small --preset small
      """)

  @Option(help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")).")
  var preset = "tiny"

  @Option(help: ArgumentHelp("Folder to write; must not exist.", valueName: "dir"))
  var output: String

  @Option(help: "Precision.")
  var dtype = DType.bfloat16

  @Option(help: "Layout to write: hf or original.")
  var layout = CheckpointLayout.huggingFace

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: ArgumentHelp("Draw a picture to ask about, as PNG.", valueName: "file"))
  var sampleImage: String?

  func validate() throws { _ = try checkOption("--preset") { try LLaVAConfiguration.preset(preset) } }

  func run() async throws {
    var configuration = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &configuration)
    let folder = URL(fileURLWithPath: output)
    // Said before minutes of drawing random numbers, not after.
    if FileManager.default.fileExists(atPath: folder.path) { throw CheckpointError.exists(folder.path) }
    let model = try waiting(for: "drawing random weights") {
      let model = try LLaVAModel.random(configuration, seed: seed, dtype: dtype)
      try TestModel.write(model, to: folder, layout: layout)
      return model
    }
    if let sampleImage { try TestModel.drawing().writePNG(to: URL(fileURLWithPath: sampleImage)) }
    try printLine("\(output): \(preset), \(formatCount(model.parameters.count())) random parameters in \(dtype)")
  }
}
