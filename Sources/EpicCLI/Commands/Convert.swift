import ArgumentParser
import Foundation
import LLaVA
import Torch

/// A checkpoint in another layout or precision.
struct Convert: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another layout, precision or number of bits, or make one of two or of GGUF files.",
    discussion: """
      Weights pass one by one, so a model larger than memory can be converted.

      With --bits the matrices of the decoder's layers are rounded to 8 bits (a scale for each row) or 4 (a scale and a zero point for every
      32 numbers) and written in the format of compressed-tensors, which vLLM and transformers read as well. --bits 16 writes the numbers
      that the bits stand for, in bfloat16.

      With --interpolate the new model lies between two versions of one model: every weight is --weight times that of the first plus the \
      rest of the second. Between a fine-tuned model and the one that it was made from lie models that keep more of what was known before.

      A GGUF file of architecture llama or qwen2 becomes a folder as transformers writes it: weights, config.json and tokenizer. --projector \
      names the file with its vision tower and projector, which llama.cpp calls mmproj; without it the folder holds a language model alone. \
      Tensors of types F32, F16 and BF16 are read, and the Q types from Q2_K to Q8_0.

      Example: epic convert llava-hf/llava-1.5-7b-hf llava-4bit --bits 4
      """)

  @Argument(help: ArgumentHelp("A folder, a GGUF file, or org/name[@revision] on the hub.", valueName: "model"))
  var source: ModelSource

  @Argument(help: ArgumentHelp("Folder to write; must not exist.", valueName: "to-dir"))
  var destination: String

  @Option(help: ArgumentHelp("GGUF file with the vision tower and the projector of a GGUF file.", valueName: "mmproj"))
  var projector: String?

  @Option(help: "Layout to write: hf (what transformers loads) or original (LLaVA's own).")
  var layout = CheckpointLayout.huggingFace

  @Option(help: "Precision to write; as it is unless given, of GGUF files with fewer bits bfloat16.")
  var dtype: DType?

  @Option(help: ArgumentHelp("Bits of the decoder's matrices: 4, 8, or 16 for all weights in bfloat16.", valueName: "n"))
  var bits: Int?

  @Option(help: .model("Another version of the checkpoint, to go towards"))
  var interpolate: ModelSource?

  @Option(help: "Share of the first checkpoint in the new one, with --interpolate.")
  var weight: Double?

  @Option(help: ArgumentHelp("Split files larger than this many bytes.", valueName: "bytes"))
  var shardBytes = 5_000_000_000

  func validate() throws {
    if shardBytes < 1 { throw ValidationError("--shard-bytes is \(shardBytes), expected 1 or more") }
    if let bits, ![4, 8, 16].contains(bits) { throw ValidationError("--bits is \(bits), expected 4, 8 or 16") }
    if (interpolate == nil) != (weight == nil) {
      throw ValidationError("--interpolate and --weight belong together, as in --interpolate llava-1.5-7b-hf --weight 0.7")
    }
    if let weight, !(0...1).contains(weight) { throw ValidationError("--weight is \(weight), expected 0...1") }
    if interpolate != nil, bits != nil {
      throw ValidationError("--interpolate writes no --bits; convert what it wrote once more")
    }
    if bits == 16, let dtype, dtype != .bfloat16 {
      throw ValidationError("--bits 16 writes bfloat16, and --dtype is \(dtype); leave one out")
    }
  }

  func run() async throws {
    let folder = try await source.place()
    let place = URL(fileURLWithPath: destination)
    if GGUFCheckpoint.isOne(folder) { return try convertGGUF(folder, to: place) }
    if projector != nil {
      throw InputError(description: "\(source.text): is no GGUF file, and --projector belongs to one; leave it out")
    }
    let line = WaitingLine("writing \(destination)")
    defer { line.end() }
    let reader = try CheckpointReader(folder)
    if let interpolate, let weight {
      let other = try CheckpointReader(try await interpolate.folder())
      try CheckpointWriter.interpolate(
        reader, other, weight: weight, to: place, layout: layout, dtype: dtype, shardBytes: shardBytes)
      line.end()
      return try printLine("\(destination): \(layout.rawValue), \(weight) of \(source.text), the rest of \(interpolate.text)")
    }
    let quantization = try bits == 16 ? nil : bits.map { try QuantizationOptions(bits: $0) }
    let dtype = bits == 16 ? .bfloat16 : dtype
    try CheckpointWriter.convert(
      reader, to: place, layout: layout, dtype: dtype, quantization: quantization, shardBytes: shardBytes)
    line.end()
    let precision = dtype?.description ?? "stored precision"
    try printLine("\(destination): \(layout.rawValue), \(quantization.map { "\($0.bits) bits, else " } ?? "")\(precision)")
  }

  private func convertGGUF(_ file: URL, to place: URL) throws {
    if layout != .huggingFace || bits != nil || interpolate != nil {
      let options = "--layout, --bits or --interpolate"
      throw InputError(
        description: "\(source.text): a GGUF file becomes a folder in layout hf first; convert that one with \(options)")
    }
    let model = try GGUFCheckpoint(file, projector: projector.map { URL(fileURLWithPath: $0) })
    try waiting(for: "writing \(destination)") { try model.write(to: place, dtype: dtype, shardBytes: shardBytes) }
    try printLine("\(destination): \(layout.rawValue), \(dtype ?? model.dtype)")
    printNote(model.note)
  }
}

extension CheckpointLayout: ExpressibleByArgument {}
