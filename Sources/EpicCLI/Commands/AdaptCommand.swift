import Adaptation
import ArgumentParser
import Basics
import Compression
import Foundation
import Torch

/// A finished model learns to see with fewer tokens, without labels.
struct AdaptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapt",
    abstract: "Make a finished model serve few visual tokens, from pictures and questions without answers.",
    discussion: """
      The model answers the questions with all of its tokens; then it learns to predict at few tokens what it predicted at all of them \
      (epic train, curriculum nested, its frozen self as the teacher, no labels). Some pictures are set apart; what is printed at the end \
      is how often the answers to questions about them are those of the model as it was. Questions are a JSON list or one object in each \
      line, with image and question, and answer where it is known; or LLaVA's instruction format. The same command goes on where it was \
      interrupted.

      Example: epic adapt --model llava-hf/llava-1.5-7b-hf --images pictures --keep 128,64 --output adapted
      """)

  @Option(help: .model("The checkpoint"))
  var model: ModelSource

  @Option(help: ArgumentHelp("Folder of pictures.", valueName: "dir"))
  var images: String

  @Option(help: ArgumentHelp("Questions about them; a few that fit every picture unless given.", valueName: "file"))
  var questions: String?

  @Option(help: ArgumentHelp("Folder for answers, run and scores.", valueName: "dir"))
  var output = "adapted"

  @Option(help: ArgumentHelp("Take the first so many questions alone.", valueName: "n"))
  var limit: Int?

  @Option(help: "Share of the pictures that is set apart.")
  var heldOut = 0.1

  @Option(help: "Questions about them, at most.")
  var heldOutQuestions = 200

  @Option(help: "Longest answer, in tokens.")
  var maxTokens = 64

  @Option(help: "Most questions about one picture that a sample trains on; 1 for a sample of each question.")
  var turns = 10

  @Option(
    help: ArgumentHelp(
      "Budgets to look at, the smallest of which is trained for; shares of all tokens unless given.", valueName: "n,n"))
  var keep: String?

  @Option(help: ArgumentHelp("Who drops tokens: \(ReducerRegistry.standard.names.joined(separator: ", ")).", valueName: "name"))
  var compressor = "dart"

  @Option(help: ArgumentHelp("Decoder layers that see all tokens.", valueName: "k"))
  var layer = 2

  @Option(help: "Optimizer steps; once through the questions unless given.")
  var steps: Int?

  @Option(help: "Train adapters of this rank in place of the decoder's own weights.")
  var loraRank: Int?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Change one key of epic train; may be given several times.", valueName: "key=value"))
  var set: [String] = []

  @Flag(help: "Write the model's answers (train.json) and leave.")
  var answersOnly = false

  @OptionGroup var compute: ComputeOptions

  func validate() throws {
    if !(heldOut > 0 && heldOut < 1) { throw ValidationError("--held-out is \(heldOut), expected a share between 0 and 1") }
    for (name, value) in [
      ("limit", limit ?? 1), ("held-out-questions", heldOutQuestions), ("max-tokens", maxTokens), ("layer", layer),
      ("turns", turns), ("steps", steps ?? 1), ("lora-rank", loraRank ?? 1),
    ] where !(1...1 << 30).contains(value) { throw ValidationError("--\(name) is \(value), expected 1...\(1 << 30)") }
    _ = try checkOption("--compressor") { try ReducerRegistry.standard.reducer(compressor) }
    _ = try budgets()
  }

  private func budgets() throws -> [Int]? {
    try keep.map { text in
      try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
        guard let number = Int(part), (1...1 << 20).contains(number) else {
          throw ValidationError("--keep is \(text), expected numbers with commas between them, as in 144,64,16")
        }
        return number
      }
    }
  }

  func run() async throws {
    var options = AdaptationOptions(
      model: try await model.folder(), images: URL(fileURLWithPath: images, isDirectory: true),
      output: URL(fileURLWithPath: output, isDirectory: true))
    options.questions = questions.map { URL(fileURLWithPath: $0) }
    (options.limit, options.heldOut, options.heldOutQuestions) = (limit, heldOut, heldOutQuestions)
    (options.maximumTokens, options.budgets, options.compressor, options.layer) = (maxTokens, try budgets(), compressor, layer)
    options.turns = turns
    options.changes = (steps.map { ["steps=\($0)"] } ?? []) + (loraRank.map { ["lora.rank=\($0)"] } ?? []) + set
    _ = try compute.prepare()
    (options.dtype, options.device, options.threads) = (compute.dtype ?? .bfloat16, compute.device, compute.threads)
    options.quantization = try compute.quantization
    let program = residentMemoryBytes()
    let signals = StopSignals()
    let line = ProgressLine()
    defer { line.clear() }
    let work = try Adaptation(options)
    try printLine(
      "questions   \(formatCount(work.training.count)) to train on, \(formatCount(work.heldOut.count)) set apart, in \(output)")
    func tell(_ what: String, of total: Int) -> (Int) -> Bool {
      { done in
        line.show { "\(what): \(done) of \(total)" }
        return !signals.haveCome
      }
    }
    let all = work.training.count + work.heldOut.count
    guard let left = try work.answer(progress: tell("answering with all tokens", of: all)) else { return try stop(line) }
    line.clear()
    if !left.isEmpty {
      let reasons = Dictionary(grouping: left, by: \.reason).mapValues(\.count)
      let most = reasons.max { ($0.value, $1.key) < ($1.value, $0.key) }
      let why = most.map { " (\($0.key): \(formatCount($0.value)))" } ?? ""
      try printLine(
        "left out    \(formatCount(left.count)) of \(formatCount(all)) questions, which have no answer\(why); see \(output)/answers.jsonl"
      )
    }
    if answersOnly { return try printLine("answers     \(output)/train.json") }
    let ways = work.heldOut.count * work.budgets.count
    guard let before = try work.scores(as: "before", progress: tell("asking before", of: ways)) else { return try stop(line) }
    line.clear()
    let run = try work.run()
    let report = try TrainingReport(run, program: program)
    try printLine(report.beginning())
    let ending = try run.run(shouldStop: { signals.haveCome }) { event in
      if case .step(let record) = event { try report.show(record, on: line) }
    }
    guard ending == .complete, let checkpoint = run.folder.checkpoints.last else { return try stop(line) }
    guard let after = try work.scores(of: checkpoint.url, as: "after", progress: tell("asking after", of: ways)) else {
      return try stop(line)
    }
    line.clear()
    try printLine("\n" + Self.table(before, after))
    try printLine("\nmodel       \(checkpoint.url.relativePath)")
  }

  private func stop(_ line: ProgressLine) throws {
    line.clear()
    try printLine("stopped     what is done is kept; the same command goes on")
  }

  private static func table(_ before: [AdaptationScore], _ after: [AdaptationScore]) -> String {
    func percent(_ value: Double?) -> String { value.map { String(format: "%.1f", 100 * $0) } ?? "" }
    let isLabelled = before.contains { $0.accuracy != nil }
    let headings = ["tokens", "agreement before", "after"] + (isLabelled ? ["accuracy before", "after"] : [])
    let rows = zip(before, after).map { old, new in
      ["\(old.tokens)", percent(old.agreement), percent(new.agreement)]
        + (isLabelled ? [percent(old.accuracy), percent(new.accuracy)] : [])
    }
    return TextTable(headings: headings, rows: rows, isText: headings.map { _ in false }, names: 1).text()
      + "\n\nagreement: % of \(before.first?.questions ?? 0) answers that are those of the model before with all tokens"
      + (isLabelled ? "; accuracy: % that are the known answer, word for word" : "")
  }
}
