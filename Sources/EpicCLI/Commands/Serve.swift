import ArgumentParser
import Basics
import ChatProtocol
import Compression
import Demo
import Foundation
import LLaVA
import Language
import Logging
import Results
import Serving

/// A model behind HTTP.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a model over HTTP, with a number of visual tokens for each request or picture.",
    discussion: """
      POST /v1/chat/completions answers as OpenAI's does, streamed or not; GET /v1/models, POST /tokenize, GET /health, /version and \
      /metrics. A request's "visual_tokens" says how closely its pictures are looked at: a number, or \
      {"budget": "auto", "min": 32, "max": 576, "target_ttft_ms": 400, "on_overload": "degrade", "return": "indices"}; a picture may have \
      its own, and "detail" is understood. The answer's "visual_tokens" says what became of them.
      SIGTERM and Ctrl-C let running answers come to their ends.

      Example: epic serve --model llava-hf/llava-1.5-7b-hf --port 8080
      """)

  @OptionGroup(title: "Model") var model: ServedModelOptions
  @OptionGroup(title: "Network") var network: NetworkOptions
  @OptionGroup(title: "Pictures") var pictures: PictureOptions
  @OptionGroup(title: "Load") var load: LoadOptions

  @Option(help: "What is logged: trace, debug, info, notice, warning, error or critical.")
  var logLevel = "notice"

  @Flag(help: "Write the bodies of requests to the log, which else holds neither prompts nor pictures nor keys.")
  var logContent = false

  func validate() throws {
    if Logger.Level(rawValue: logLevel) == nil {
      let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--log-level is \(logLevel), expected one of \(known)")
    }
  }

  func run() async throws {
    var options = ServerOptions()
    try network.apply(to: &options)
    try pictures.apply(to: &options)
    load.apply(to: &options)
    options.logsContent = logContent
    options.version = Version.number
    let served = try await model.load()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var log = Logger(label: "epic.serve")
    log.logLevel = Logger.Level(rawValue: logLevel) ?? .notice
    let server = try await ModelServer(served, options, log: log)
    let (scheme, host) = (options.tls == nil ? "http" : "https", options.host)
    try await server.run { port in
      // A reader of standard output that went away is no reason to stop serving.
      try? printLine("serving \(served.name) at \(scheme)://\(host):\(port)")
    }
  }
}

/// Which model is served, under which name, at which budgets.
struct ServedModelOptions: ParsableArguments {
  @Option(help: .model("What to serve"))
  var model: ModelSource?

  @Flag(help: "Serve the small model that comes with the program, which knows drawn shapes.")
  var demo = false

  @Option(help: "What requests call it; the folder's name unless given.")
  var name: String?

  @Option(
    help:
      "Conversation template: checkpoint (the model's own), vicuna_v1, plain, llama_2 or chatml; the model's own unless given.")
  var template: String?

  @Option(
    help: ArgumentHelp(
      """
      Compressor that chooses visual tokens: \(ReducerRegistry.standard.names.joined(separator: ", ")). Options follow the name, \
      dart:text-pivots=0, with which further questions about a picture share what was chosen for the first.
      """, valueName: "name"))
  var compressor = "dart"

  @Option(help: ArgumentHelp("Decoder layers before the cut.", valueName: "k"))
  var layer = 2

  @Option(
    help: ArgumentHelp(
      "Budgets that may be asked for, such as 64,192, and that auto chooses from; \"any\" allows every number.",
      discussion: """
        Unless given they are those at which `epic eval` scored the model, from results.json in its folder or in --evaluation; where there \
        is none, every number may be asked for.
        """, valueName: "list"))
  var budgets: String?

  @Option(
    help: ArgumentHelp(
      """
      Visual tokens of pictures about which a request says nothing: a number, auto, or an average as in auto:64, which needs `epic fit`; \
      all unless given.
      """, valueName: "n"))
  var budget: String?

  @Option(help: ArgumentHelp("How auto:64 decides what a picture is worth.", valueName: "rule"))
  var budgetRule = BudgetRule.byVariety

  @Option(help: ArgumentHelp("Folder that epic eval wrote; its results are listed by /v1/models.", valueName: "dir"))
  var evaluation: String?

  @OptionGroup var compute: ComputeOptions
  @OptionGroup var cache: CacheOptions

  func validate() throws {
    if (model == nil) == !demo { throw ValidationError("give --model or --demo, which serves the small model that comes along") }
    if let template { _ = try checkOption("--template") { try ConversationTemplate.requireKnown(template) } }
    _ = try checkOption("--compressor") { try ReducerRegistry.standard.spelled(compressor) }
    _ = try standard
    _ = try listed
  }

  private var standard: VisualBudget? {
    get throws {
      guard let budget else { return nil }
      if budget == "auto" { return VisualBudget(.auto) }
      if let average = VisualBudget.average(budget) { return VisualBudget(.average(average)) }
      guard let tokens = Int(budget), tokens >= 1 else {
        throw ValidationError("--budget is \(budget), expected a number of visual tokens, auto, or an average as in auto:64")
      }
      return VisualBudget(.tokens(tokens))
    }
  }

  private var listed: [Int]? {
    get throws {
      guard let budgets, budgets != "any" else { return nil }
      return try budgets.split(separator: ",", omittingEmptySubsequences: false).map { part in
        guard let tokens = Int(part), tokens >= 1 else {
          throw ValidationError("--budgets is \(budgets), expected numbers with commas between them, or any")
        }
        return tokens
      }
    }
  }

  func load() async throws -> ServedModel {
    let folder: URL
    if let model { folder = try await model.folder() } else { folder = try DemoCheckpoints.folder().appending(path: "finished") }
    let device = try compute.prepare()
    let pipeline = try waiting(for: "reading weights") {
      try LLaVAPipeline.load(
        from: folder, dtype: compute.dtype, device: device, template: template, quantization: compute.quantization,
        cache: cache.precision)
    }
    let fit = try fit(folder)
    let ladder = try ladder(pipeline, folder, allowsAverages: fit != nil)
    return try checkOption("--layer and --budgets") {
      try ServedModel(
        name: name ?? (demo ? "epic-demo" : model?.text.split(separator: "/").last.map(String.init) ?? "model"), pipeline,
        compressor: compressor, layer: layer,
        ladder: ladder, fit: fit)
    }
  }

  /// What a rule knows about the model; nil where nobody asked it and nobody needs it.
  private func fit(_ folder: URL) throws -> BudgetFit? {
    let isNeeded = if case .average? = try standard?.amount { true } else { false }
    do {
      return try BudgetFits(from: folder).fit(budgetRule, layer: layer)
    } catch let error as BudgetError {
      switch error {
      case .missing where !isNeeded, .unfitted where !isNeeded: return nil
      default: throw error
      }
    }
  }

  private func ladder(_ pipeline: LLaVAPipeline, _ folder: URL, allowsAverages: Bool) throws -> BudgetLadder {
    let total = pipeline.model.pictureLayout.count
    if let listed = try listed, let wrong = listed.first(where: { $0 > total }) {
      throw ValidationError("--budgets has \(wrong), expected at most the \(total) visual tokens of a picture")
    }
    let numbers = try standard.flatMap { budget -> Int? in
      switch budget.amount {
      case .tokens(let tokens), .average(let tokens): tokens
      case .auto: nil
      }
    }
    if let tokens = numbers, tokens > total {
      throw ValidationError("--budget is \(tokens), expected at most the \(total) visual tokens of a picture")
    }
    let known = try evaluated(pipeline, folder)
    let asked = try listed?.map { tokens in known?.first { $0.tokens == tokens } ?? BudgetLadder.Rung(tokens) }
    let rungs = asked ?? known ?? BudgetLadder.usual(total: total)
    let allowsOthers = budgets == "any" || asked == nil && known == nil
    return BudgetLadder(
      total: total, rungs: rungs, allowsOthers: allowsOthers, standard: try standard, allowsAverages: allowsAverages)
  }

  /// What `epic eval` found about this very model.
  private func evaluated(_ pipeline: LLaVAPipeline, _ folder: URL) throws -> [BudgetLadder.Rung]? {
    let places = evaluation.map { [URL(fileURLWithPath: $0)] } ?? [folder, folder.appending(path: "evaluation")]
    let files = FileManager.default
    guard let place = places.first(where: { files.fileExists(atPath: $0.appending(path: EvaluationResults.fileName).path) })
    else {
      if let evaluation {
        throw InputError(description: "\(evaluation): has no \(EvaluationResults.fileName); give what epic eval wrote")
      }
      return nil
    }
    let results = try EvaluationResults(from: place)
    let fingerprint = try ModelFingerprint(pipeline, tokenizer: folder, .everything).text
    let rungs = BudgetLadder.rungs(results, fingerprint: fingerprint, compressor: compressor, layer: layer)
    if rungs == nil {
      printNote(
        "\(place.path): holds no results of this model with \(compressor) after layer \(layer); budgets are not limited by it")
    }
    return rungs
  }
}
