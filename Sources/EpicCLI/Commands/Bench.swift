import ArgumentParser
import Basics
import Compression
import Efficiency
import Foundation
import Imaging
import Language
import LLaVA
import Torch

/// Timings on this machine.
struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure speed and memory on this machine.",
    subcommands: [BenchGenerate.self, BenchTrain.self, BenchServe.self, BenchKernels.self])
}

/// Generation with random weights of a preset's size, or with a checkpoint's.
struct BenchGenerate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Measure vision, prefill and decode; weights are random unless --model names some.",
    discussion: "Example: epic bench generate --preset base --keep 64 --batch 8")

  @Option(help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")).")
  var preset = "base"

  @Option(help: .model("Measure this in place of a preset"))
  var model: ModelSource?

  @Option(help: "Tokens to generate.")
  var newTokens = 32

  @Option(help: "Text tokens in the prompt, beside the images'.")
  var textTokens = 64

  @Option(help: "Images in the prompt.")
  var imageCount = 1

  @Option(help: "Show a video of so many frames, in place of images.")
  var frames: Int?

  @Option(help: "Samples answered together.")
  var batch = 1

  @Option(help: "Times to measure; the fastest of each stage is reported. More than one come after one that is not counted.")
  var repeats = 3

  @Option(help: "Where random weights and token ids start.")
  var seed: UInt64 = 0

  @OptionGroup var compression: CompressionOptions
  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    _ = try checkOption("--preset") { try LLaVAConfiguration.preset(preset) }
    for (name, value, low) in [
      ("new-tokens", newTokens, 1), ("text-tokens", textTokens, 1), ("image-count", imageCount, 0), ("frames", frames ?? 1, 1),
      ("batch", batch, 1),
      ("repeats", repeats, 1),
    ] where value < low || value > 1 << 20 {
      throw ValidationError("--\(name) is \(value), expected \(low)...\(1 << 20)")
    }
  }

  func run() async throws {
    let folder = try await model?.folder()
    let configuration = try LLaVAConfiguration.of(preset: preset, checkpoint: folder)
    let plan = try compression.plan(for: configuration, in: folder)
    let line = WaitingLine("measuring")
    defer { line.end() }
    let device = try compute.prepare()
    let dtype = compute.dtype ?? .bfloat16
    let llava =
      try folder.map { try LLaVAModel.load(from: $0, dtype: dtype, device: device, quantization: compute.quantization) }
      ?? LLaVAModel.random(configuration, seed: seed, dtype: dtype, device: device, quantization: compute.quantization)
    let requests = try (0..<batch).map { _ in
      try GenerationRequest.random(configuration, text: textTokens, images: imageCount, frames: frames, seed: seed)
    }
    var options = GenerationOptions()
    options.maximumNewTokens = newTokens
    options.compression = plan
    options.stopsAtEnd = false
    // A first round pays for memory and kernels that later ones reuse.
    if repeats > 1 { _ = try llava.generate(requests, options) }
    var (results, timings) = try llava.generate(requests, options)
    for _ in 1..<repeats {
      let run = try llava.generate(requests, options).timings
      timings.vision = min(timings.vision, run.vision)
      timings.prefill = min(timings.prefill, run.prefill)
      timings.decode = min(timings.decode, run.decode)
    }
    // The first sample's tokens stand for all; the rate is that of all samples together.
    var report = GenerationReport(
      Answer(text: "", result: results[0], timings: timings), samples: batch, plan: plan)
    if let shown = requests.first?.pictures, shown.count == 1 {
      var costs = CostModel(configuration)
      costs.picture = shown[0].shape
      report.prefillFLOPs = try Double(batch) * costs.trueCost(text: Double(textTokens), plan).flops
    }
    line.end()
    if json { return try printJSON(report) }
    try printLine(
      String(
        format: "vision %.1f ms, prefill %.1f ms (%d tokens), decode %.2f ms per step (%.1f tokens/s), peak memory %@",
        timings.vision * 1e3, timings.prefill * 1e3, batch * report.promptTokens,
        timings.decode * 1e3 / Double(max(1, newTokens - 1)), report.tokensPerSecond, formatBytes(report.peakMemoryBytes)))
  }
}

extension GenerationRequest {
  /// A prompt of random text after images, or a video, of noise, for timings.
  static func random(
    _ configuration: LLaVAConfiguration, text: Int, images: Int, frames: Int? = nil, seed: UInt64
  ) throws -> GenerationRequest {
    let generator = try Generator(seed: seed)
    let vocabulary = min(configuration.text.vocabularySize, 32_000)
    let first = min(3, vocabulary - 1)
    let ids = try Tensor.randint(first..<vocabulary, [text], generator: generator).array(Int.self)
    let pictures =
      try frames.map { [try PicturePixels.random(configuration, frames: $0, generator)] }
      ?? (0..<images).map { _ in try PicturePixels.random(configuration, isAlone: images == 1, generator) }
    return GenerationRequest(
      ids: [ids[0]] + pictures.map { _ in imagePlaceholderID } + ids.dropFirst(), pictures: pictures)
  }
}

extension PicturePixels {
  /// A video of noise: frames of a tower's own size, or of 336 by 336 pixels, two each second.
  fileprivate static func random(
    _ configuration: LLaVAConfiguration, frames: Int, _ generator: Generator
  ) throws -> PicturePixels {
    if VideoPreparer(configuration) == nil { throw PromptError.noVideos(type: configuration.family.type) }
    let frame = configuration.shape(height: 336, width: 336, isAlone: false)
    return try PicturePixels(
      views: Tensor.randn([frames, configuration.vision.channels, frame.viewHeight, frame.viewWidth], generator: generator),
      height: frame.height, width: frame.width, secondsPerFrame: 0.5)
  }

  /// Noise in the shape of a usual picture of a model.
  static func random(_ configuration: LLaVAConfiguration, isAlone: Bool, _ generator: Generator) throws -> PicturePixels {
    let usual = configuration.usualPicture
    let shape = configuration.shape(height: usual.height, width: usual.width, isAlone: isAlone)
    return try PicturePixels(
      views: Tensor.randn(configuration.pixelShape(of: shape), generator: generator), height: shape.height, width: shape.width
    )
  }
}
