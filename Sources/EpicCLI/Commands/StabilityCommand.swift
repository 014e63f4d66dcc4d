import Answering
import ArgumentParser
import Evaluation
import Foundation
import Imaging
import LLaVA
import Language
import Results
import Torch

/// How much of its score a model keeps when pictures are bad, conversations long, or it was trained further.
struct StabilityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stability",
    abstract: "Score a model under noise, blur, JPEG, rotation, late in conversations and after further training.",
    discussion: """
      Every condition is asked under all budgets, and stands beside the clean score of the same questions. turns=2 asks each question as \
      the second one about its picture: the first one has chosen the visual tokens. --after compares with a model that this one became. \
      Answers are kept in the output folder, and the same command goes on after it was stopped. stability.md and stability.json hold what \
      is printed.

      Example: epic stability --model llava-hf/llava-1.5-7b-hf --benchmark pope --data benchmarks --keep 64 --conditions noise=3,jpeg=20
      """)

  @Option(help: .model("The checkpoint"))
  var model: ModelSource

  @OptionGroup var benchmarks: BenchmarkChoice
  @OptionGroup var plans: PlanChoice
  @OptionGroup var frames: FrameOptions

  @Option(help: ArgumentHelp("Conditions, a list: \(StabilityCondition.allowed).", valueName: "name=value,name=value"))
  var conditions = CommaList(
    ["noise=0.1", "blur=2", "jpeg=10", "rotation=15", "turns=2"].compactMap { ConditionArgument(argument: $0) })

  @Option(
    parsing: .singleValue, help: .model("A checkpoint that this one became by further training; may be given several times"))
  var after: [ModelSource] = []

  @Option(help: ArgumentHelp("Where answers and results go.", valueName: "dir"))
  var output = "stability"

  @Option(help: "Longest answer in tokens; the benchmark's own (128 mostly) unless given.")
  var maxTokens: Int?

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Option(help: "Conversation template; the model's own unless given.")
  var template: String?

  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Print one JSON object, what stability.json holds.")
  var json = false

  func validate() throws {
    if plans.leavesOutFull {
      throw ValidationError("--no-full leaves out what conversations begin with; give it to epic eval alone")
    }
    if let maxTokens, !(1...1 << 20).contains(maxTokens) {
      throw ValidationError("--max-tokens is \(maxTokens), expected 1...\(1 << 20)")
    }
    if let template { _ = try checkOption("--template") { try ConversationTemplate.requireKnown(template) } }
  }

  func run() async throws {
    let device = try compute.prepare()
    let folder = try await model.folder()
    let configuration = try CheckpointReader(folder).configuration
    try benchmarks.require(configuration, called: model.text)
    let asked = try plans.plans(for: configuration, in: folder)
    let signals = StopSignals()
    let line = ProgressLine()
    defer { line.clear() }
    line.show { "reading benchmarks" }
    let loaded = try benchmarks.load()
    let output = URL(fileURLWithPath: self.output)
    func load(_ folder: URL) throws -> LLaVAPipeline {
      line.show { "\(folder.lastPathComponent): reading weights" }
      return try LLaVAPipeline.load(
        from: folder, dtype: compute.dtype, device: device, template: template, quantization: compute.quantization)
    }
    var settings = EvaluationSettings()
    (settings.maximumNewTokens, settings.seed, settings.sampling) = (maxTokens, seed, frames.sampling)
    let names = Eval.names([model.text] + after.map(\.text))
    let evaluation = StabilityEvaluation(
      try load(folder), name: names[0], checkpoint: folder, plans: asked, output: output, settings, loaded,
      limit: benchmarks.limit)
    func show(_ condition: String) -> (String, Int, Int) -> Void {
      { benchmark, done, all in line.show { "\(condition), \(benchmark): \(done) of \(all) questions" } }
    }
    for condition in [.clean] + conditions.values.map(\.condition) {
      let isWhole = try evaluation.run(condition, shouldStop: { signals.haveCome }, progress: show("\(condition)"))
      if !isWhole { return try stopped(line) }
    }
    for (source, name) in zip(after, names.dropFirst()) {
      let folder = try await source.folder()
      let isWhole = try evaluation.compare(
        with: load(folder), name: name, checkpoint: folder, shouldStop: { signals.haveCome }, progress: show("after \(name)"))
      if !isWhole { return try stopped(line) }
    }
    let results = StabilityResults(model: names[0], rows: evaluation.rows)
    try results.write(into: output)
    line.clear()
    if json { return try printJSON(results) }
    try printLine(results.table.text(width: terminalWidth()))
    try printLine("\nresults in  \(output.appending(path: "stability.md").relativePath)")
  }

  private func stopped(_ line: ProgressLine) throws {
    line.clear()
    let text = "stopped     what was answered is kept; the same command goes on"
    if json { printError(text) } else { try printLine(text) }
  }
}

/// A condition in a list of them.
struct ConditionArgument: ExpressibleByArgument, Sendable {
  let condition: StabilityCondition

  init?(argument: String) {
    guard let condition = StabilityCondition(argument) else { return nil }
    self.condition = condition
  }

  var defaultValueDescription: String { "\(condition)" }
}
