import Answering
import ArgumentParser
import Basics
import Distributed
import Evaluation
import Foundation
import LLaVA
import Language
import Results
import Torch

/// How accurate models are with fewer visual tokens, and what it costs.
struct Eval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score models on benchmarks with many numbers of visual tokens.",
    discussion: """
      Answers are kept in the output folder as they come: the same command goes on after it was stopped or killed, and asks only what \
      is new where budgets, compressors or benchmarks are added. Another model, precision, prompt or seed has a folder of its own. Started \
      several times by torchrun --no-python or srun, the processes share the questions. \
      Beside the answers lie answer files in LLaVA's format and files for servers; table.md, table.csv, results.json and report.html hold \
      what is printed.

      Example: epic eval --model llava-hf/llava-1.5-7b-hf --benchmark gqa,textvqa --data benchmarks --keep 128,64
      """)

  @Option(parsing: .singleValue, help: .model("A checkpoint; several stand side by side"))
  var model: [ModelSource]

  @OptionGroup var benchmarks: BenchmarkChoice
  @OptionGroup var plans: PlanChoice
  @OptionGroup var frames: FrameOptions

  @Option(
    help: ArgumentHelp(
      "Also score apart the questions that a smaller picture answers: downsample shows it to the tower, pool averages neighbours (VTC-Bench).",
      valueName: "way"))
  var difficulty: Difficulty?

  @Option(help: ArgumentHelp("Where answers and results go.", valueName: "dir"))
  var output = "evaluation"

  @Flag(help: "End at the first question that cannot be asked, and at files with bad records.")
  var strict = false

  @Option(help: "Longest answer in tokens; the benchmark's own (128 mostly) unless given.")
  var maxTokens: Int?

  @Option(
    help: "Questions that are answered together, each under all plans; as many as make 32 streams, of videos one, unless given.")
  var batch: Int?

  @Option(help: "Questions that are also answered alone under each plan, to time them; 0 for none.")
  var timed = 5

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "Conversation template; the model's own unless given.")
  var template: String?

  @Option(
    help: ArgumentHelp(
      "Bits of the decoder's weights, a list: 16,8,4, where 16 are the weights as they are stored. Each number has rows of its own.",
      valueName: "n,n"))
  var bits: CommaList<Int>?

  @OptionGroup var compute: PrecisionOptions
  @OptionGroup var cache: CacheOptions

  @Flag(help: "Print one JSON object, what results.json holds.")
  var json = false

  func validate() throws {
    if model.isEmpty { throw ValidationError("--model is missing: the folder of a checkpoint, or its name on the hub") }
    if Set(model).count < model.count { throw ValidationError("--model names one checkpoint twice") }
    for (name, value, low) in [("max-tokens", maxTokens ?? 1, 1), ("batch", batch ?? 1, 1), ("timed", timed, 0)]
    where value < low || value > 1 << 20 {
      throw ValidationError("--\(name) is \(value), expected \(low)...\(1 << 20)")
    }
    if difficulty != nil, plans.leavesOutFull {
      throw ValidationError("--difficulty asks which questions are right with all tokens, which --no-full leaves out")
    }
    _ = try quantizations
    if let template { _ = try checkOption("--template") { try ConversationTemplate.requireKnown(template) } }
  }

  /// In how many bits each model is asked; nil for its weights as they are stored.
  private var quantizations: [QuantizationOptions?] {
    get throws {
      let bits = bits?.values ?? [16]
      if Set(bits).count < bits.count { throw ValidationError("--bits names a number twice") }
      if let bad = bits.first(where: { ![16, 8, 4].contains($0) }) {
        throw ValidationError("--bits is \(bad), expected 16 (as they are stored), 8 or 4")
      }
      return try bits.map { $0 == 16 ? nil : try QuantizationOptions(bits: $0) }
    }
  }

  func run() async throws {
    let world = try Communicator.joined()
    // What can be wrong is found before weights are read.
    let device = try compute.prepare(world)
    let quantizations = try quantizations
    var models: [(name: String, folder: URL, quantization: QuantizationOptions?, plans: [AnswerPlan])] = []
    for (source, name) in zip(model, Self.names(model.map(\.text))) {
      let folder = try await source.folder()
      let configuration = try CheckpointReader(folder).configuration
      try benchmarks.require(configuration, called: name)
      var asked = try plans.plans(for: configuration, in: folder)
      if let difficulty {
        asked = try checkOption("--difficulty") { try difficulty.completing(asked, for: configuration) }
      }
      for quantization in quantizations {
        let bits = quantizations.count > 1 ? quantization.map { ", \($0.bits) bits" } ?? ", as stored" : ""
        models.append((name: name + bits, folder: folder, quantization: quantization, plans: asked))
      }
    }
    let signals = StopSignals()
    let progress = EvaluationProgress(isQuiet: json || !world.isFirst)
    defer { progress.clear() }
    progress.show("reading benchmarks")
    let loaded = try benchmarks.load()
    if strict, let fault = loaded.lazy.flatMap(\.benchmark.faults).first { throw InputError(description: "\(fault)") }
    let output = URL(fileURLWithPath: self.output)
    var results = EvaluationResults(models: [])
    for (name, folder, quantization, plans) in models {
      progress.show("\(name): reading weights")
      let pipeline = try LLaVAPipeline.load(
        from: folder, dtype: compute.dtype, device: device, template: template, quantization: quantization,
        cache: cache.precision)
      progress.show("\(name): fingerprint")
      let evaluation = try ModelEvaluation(
        pipeline, name: name, checkpoint: folder, plans: plans, output: output, settings(world))
      let runs = try loaded.map { (try evaluation.run(of: $0.benchmark, limit: benchmarks.limit), $0.scorer) }
      try progress.begin(name, plans: plans.count, missing: runs.reduce(0) { $0 + $1.0.missing })
      for (run, scorer) in runs {
        let isComplete = try progress.during(run) { try run.run(shouldStop: { signals.haveCome }, progress: $0) }
        if try world.maximum(isComplete ? 0 : 1) == 1 {
          progress.clear()
          let line = "stopped     what was answered is kept; the same command goes on"
          return json || !world.isFirst ? printError(line) : try printLine(line)
        }
        try run.journal.readOthers()
        if world.isFirst { try evaluation.finish(run, scorer: scorer) }
      }
      if !world.isFirst { continue }
      try evaluation.time(questions: timed) { progress.show("\(name): timing, \($0) of \(timed) questions") }
      results.models.append(try evaluation.results())
      try results.write(into: output)
    }
    progress.clear()
    if !world.isFirst { return }
    if json { return try printJSON(results) }
    try printLine()
    try printLine(ResultTable(results).text(width: terminalWidth()))
    if let width = terminalWidth(), let chart = results.chart { try printLine("\n" + chart.text(width: width)) }
    try printLine("\nresults in  \(output.appending(path: ResultsPage.fileName).relativePath)")
  }

  private func settings(_ world: Communicator) -> EvaluationSettings {
    var settings = EvaluationSettings()
    settings.share = (world.rank, world.count)
    settings.maximumNewTokens = maxTokens
    settings.lanes = batch
    settings.seed = seed
    settings.isStrict = strict
    settings.difficulty = difficulty
    settings.sampling = frames.sampling
    return settings
  }

  /// A short name for each folder: as many parts of its path, from the end, as tell it from the others.
  static func names(_ paths: [String]) -> [String] {
    let parts = paths.map { URL(fileURLWithPath: $0).standardizedFileURL.pathComponents.filter { $0 != "/" } }
    for count in 1...max(1, parts.map(\.count).max() ?? 1) {
      let names = parts.map { $0.suffix(count).joined(separator: "/") }
      if Set(names).count == names.count { return names }
    }
    return paths
  }
}

/// What `epic eval` shows while it works.
final class EvaluationProgress {
  private let line = ProgressLine()
  private let isQuiet: Bool
  private var rate = ProgressRate(total: 0)
  private var before = 0
  private var name = ""

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  func show(_ text: String) { line.show { text } }

  func clear() { line.clear() }

  /// Begins a model whose benchmarks lack answers to so many questions.
  func begin(_ name: String, plans: Int, missing: Int) throws {
    rate = ProgressRate(total: missing)
    before = 0
    self.name = name
    try say("model       \(name), asked in \(plans) ways; \(formatCount(missing)) questions to ask")
  }

  /// A benchmark, from its first question to its last.
  func during(_ run: BenchmarkRun, _ work: ((Int) -> Void) throws -> Bool) throws -> Bool {
    let (title, missing, start) = (run.benchmark.definition.name, run.missing, ContinuousClock.now)
    let isComplete = try work { [self] done in line.show { "\(name), \(title): \(rate.text(before + done))" } }
    before += missing
    let all = run.benchmark.questions.count
    if isComplete {
      let broken = run.broken.count
      let old = missing < all ? ", \(formatCount(all - missing)) of them answered before" : ""
      let bad = broken > 0 ? "; \(formatCount(broken)) could not be asked" : ""
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      try say(
        "\("\(title) ".leftAligned(12))\(formatCount(all)) questions\(old)\(bad) (\(formatDuration(seconds)))"
      )
    }
    return isComplete
  }

  private func say(_ text: String) throws {
    if isQuiet { return }
    line.clear()
    try printLine(text)
  }
}

extension Difficulty: ExpressibleByArgument {}
