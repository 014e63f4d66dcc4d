import Answering
import ArgumentParser
import Basics
import Compression
import Foundation
import LLaVA
import Language

/// Fits the rules by which `--keep auto:64` decides what a picture is worth.
struct FitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fit",
    abstract: "Measure pictures and questions, so that --keep auto:64 knows what 64 tokens on average are.",
    discussion: """
      Reads questions of benchmarks, best those that choices are made on and not those that are reported, and writes what the budget \
      rules found into budgets.json in the model's folder. Any average follows from it.

      Example: epic fit --model llava-1.5-7b-hf --benchmark gqa --data tune
      """)

  @Option(help: .model("The checkpoint"))
  var model: ModelSource

  @OptionGroup var benchmarks: BenchmarkChoice
  @OptionGroup var frames: FrameOptions

  @Option(help: ArgumentHelp("Decoder layers before the cut that the fit is for.", valueName: "k"))
  var layer = 2

  @Option(
    help: ArgumentHelp(
      "Where budgets.json goes; the model's folder unless given, where --keep auto:64 looks for it.", valueName: "dir"))
  var output: String?

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "Conversation template; the model's own unless given.")
  var template: String?

  @OptionGroup var compute: ComputeOptions

  func validate() throws {
    if layer < 1 { throw ValidationError("--layer is \(layer), expected 1 or more") }
    if let template { _ = try checkOption("--template") { try ConversationTemplate.requireKnown(template) } }
  }

  func run() async throws {
    let device = try compute.prepare()
    let folder = try await model.folder()
    let configuration = try CheckpointReader(folder).configuration
    try benchmarks.require(configuration, called: model.text)
    let layers = configuration.text.layers
    if layer > layers { throw ValidationError("--layer is \(layer), expected 1...\(layers)") }
    let target = output.map { URL(fileURLWithPath: $0) } ?? folder
    // Said before minutes of measuring, not after.
    do {
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(path: target.relativePath, reason: systemReason(error))
    }
    let signals = StopSignals()
    let line = ProgressLine()
    defer { line.clear() }
    let loaded = try benchmarks.load().map { entry in benchmarks.limit.map(entry.benchmark.limited) ?? entry.benchmark }
    line.show { "reading weights" }
    let pipeline = try LLaVAPipeline.load(
      from: folder, dtype: compute.dtype, device: device, template: template, quantization: compute.quantization)
    let total = loaded.reduce(0) { $0 + $1.questions.count }
    let found = try BudgetMeasurement.fits(
      pipeline, loaded, layer: layer, seed: seed, sampling: frames.sampling, shouldStop: { signals.haveCome },
      progress: { done in line.show { "\(done) of \(total) questions" } })
    line.clear()
    guard let (fits, leftOut) = found else { return try printLine("stopped     nothing was written") }
    if let first = leftOut.first { printError("note: \(leftOut.count) questions were left out, the first is \(oneLine(first))") }
    try fits.write(into: target)
    let tokens = pipeline.model.pictureLayout.counted
    try printLine("\("rule".leftAligned(16))threshold for an average of 1/2, 1/4, 1/9 and 1/16 of \(tokens) tokens")
    for fit in fits.fits {
      let found = try [2.0, 4, 9, 16].map { String(format: "%.6g", try fit.threshold(forShare: 1 / $0)) }
      try printLine(fit.rule.rawValue.leftAligned(16) + found.joined(separator: ", "))
    }
    try printLine(
      "\nwritten to  \(target.appending(path: BudgetFit.fileName).relativePath), from \(fits.fits[0].samples) questions")
  }
}
