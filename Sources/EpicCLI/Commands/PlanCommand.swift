import ArgumentParser
import Basics
import Foundation
import LLaVA
import Training

/// Which settings of a training run fit.
struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Say which sharding, micro-batch and recomputation of a training run fit into the memory of its GPUs.",
    discussion: """
      By the arithmetic by which `epic train` says before its first step what it will take. Samples are taken to be as long as the longest, and \
      steps to have several micro-batches. The setting that it recommends is printed as lines of the run's YAML file. Exit code 1 where nothing \
      fits. GB are 10^9 bytes. The model is a preset, a checkpoint (of which no weight is read) or what the run's file names.

      Example: epic plan --model llava-hf/llava-1.5-7b-hf --gpus 8 --gpu-memory 80
      """)

  @Option(
    help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")); llava-1.5-7b unless something is given.")
  var preset: String?

  @Option(help: .model("Plan for this in place of a preset"))
  var model: ModelSource?

  @Option(
    help: ArgumentHelp(
      "YAML file of the run; its sharding, micro-batch and recomputation are what is looked for.", valueName: "file"))
  var config: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Change one key of the run, as in epic train; may be given several times.", valueName: "key=value"))
  var set: [String] = []

  @Option(help: "GPUs, a process on each.")
  var gpus = 8

  @Option(help: ArgumentHelp("Memory of a GPU.", valueName: "GB"))
  var gpuMemory = 80.0

  @Option(help: "Tokens of the longest sample, visual tokens included; data.max-length (2048) unless given.")
  var maxLength: Int?

  @Option(help: ArgumentHelp("Visual tokens of a picture that are kept behind --layer in every step.", valueName: "n"))
  var keep: Int?

  @Option(help: ArgumentHelp("With --keep: decoder layers before the cut.", valueName: "k"))
  var layer: Int?

  @Option(help: "Train adapters of this rank in place of the decoder's own weights.")
  var loraRank: Int?

  @Option(help: "Curriculum by name, or none.")
  var curriculum: String?

  @Option(help: "Samples of a micro-batch; the most that fit unless given.")
  var microBatch: Int?

  @Option(help: "Samples of a step, over all GPUs and micro-batches; what the run's file says, else 128.")
  var batch: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if let preset {
      if model != nil { throw ValidationError("--preset and --model both name a model; give one of them") }
      _ = try checkOption("--preset") { try LLaVAConfiguration.preset(preset) }
    }
    if !(gpuMemory.isFinite && gpuMemory > 0 && gpuMemory <= 1e6) {
      throw ValidationError("--gpu-memory is \(gpuMemory), expected a number of GB above 0, 1000000 at most")
    }
    for (name, value, most) in [
      ("gpus", gpus, 1 << 12), ("max-length", maxLength ?? 2, 1 << 20), ("keep", keep ?? 1, 1 << 20),
      ("layer", layer ?? 1, 1 << 16),
      ("lora-rank", loraRank ?? 1, 1 << 16), ("micro-batch", microBatch ?? 1, 1 << 16), ("batch", batch ?? 1, 1 << 24),
    ] where !(1...most).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...\(most)")
    }
    if layer != nil, keep == nil { throw ValidationError("--layer has no meaning without --keep") }
    if keep != nil, curriculum ?? "none" != "none" {
      throw ValidationError("--keep and --curriculum both say what is dropped; give one of them")
    }
  }

  func run() async throws {
    var given = try TrainingConfiguration(contentsOf: config.map { URL(fileURLWithPath: $0) }, changes: set + changes)
    let shape = try await shape(given)
    // What a run needs and a plan does not.
    if given.model.isEmpty { given.model = "model" }
    if given.output.isEmpty { given.output = "output" }
    if given.data.file.isEmpty, given.data.sources == nil { given.data.file = "data.json" }
    // The default is for models of any context.
    if maxLength == nil, given.data.maximumLength == TrainingConfiguration().data.maximumLength {
      given.data.maximumLength = min(given.data.maximumLength, shape.configuration.text.maximumPositions)
    }
    let samples =
      batch ?? (config == nil ? 128 : given.batch.accumulation.multipliedReportingOverflow(by: given.batch.samples).partialValue)
    let report = try PlanReport(
      shape.configuration, name: shape.name, given, gpus: gpus, memory: Int(gpuMemory * 1e9), samples: microBatch,
      batch: max(1, min(samples, 1 << 24)), changed: set.map { String($0.prefix { $0 != "=" }) } + changedKeys)
    try json ? printJSON(report) : printLine(report.text)
    if report.recommended == nil { throw ExitCode.failure }
  }

  /// What the options change in the run's configuration.
  private var changes: [String] {
    var found = maxLength.map { ["data.max-length=\($0)"] } ?? []
    if let keep { found += ["compression.reduce=dart:\(keep)@\(layer ?? 2)", "curriculum.name=none"] }
    if let loraRank { found.append("lora.rank=\(loraRank)") }
    if let curriculum { found.append("curriculum.name=\(curriculum)") }
    return found
  }

  private var changedKeys: [String] { changes.map { String($0.prefix { $0 != "=" }) } }

  /// The model's shape, and what it is called.
  private func shape(_ given: TrainingConfiguration) async throws -> (configuration: LLaVAConfiguration, name: String) {
    let source = model ?? (preset == nil && !given.model.isEmpty ? ModelSource(argument: given.model) : nil)
    guard let source else {
      let name = preset ?? "llava-1.5-7b"
      return (try .preset(name), name)
    }
    return (try LLaVAConfiguration(ofCheckpoint: await source.folder(.tokenizer)), source.text)
  }
}
