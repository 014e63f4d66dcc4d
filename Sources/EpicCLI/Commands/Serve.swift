import ArgumentParser
import Basics
import ChatProtocol
import Compression
import Demo
import Fetching
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

  @Option(help: "Conversation template: vicuna_v1, plain, llama_2 or chatml; chosen by the model unless given.")
  var template: String?

  @Option(
    help: ArgumentHelp(
      "Strategy that chooses visual tokens: \(ReducerRegistry.standard.names.joined(separator: ", ")).", valueName: "name"))
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

  @Option(help: "Visual tokens of pictures about which a request says nothing: a number, or auto; all unless given.")
  var budget: String?

  @Option(help: ArgumentHelp("Folder that epic eval wrote; its results are listed by /v1/models.", valueName: "dir"))
  var evaluation: String?

  @OptionGroup var compute: ComputeOptions

  func validate() throws {
    if (model == nil) == !demo { throw ValidationError("give --model or --demo, which serves the small model that comes along") }
    if let template { _ = try checkOption("--template") { try ConversationTemplate.named(template) } }
    _ = try checkOption("--compressor") { try ReducerRegistry.standard.reducer(compressor) }
    _ = try standard
    _ = try listed
  }

  private var standard: VisualBudget? {
    get throws {
      guard let budget else { return nil }
      if budget == "auto" { return VisualBudget(.auto) }
      guard let tokens = Int(budget), tokens >= 1 else {
        throw ValidationError("--budget is \(budget), expected a number of visual tokens, or auto")
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
    let pipeline = try LLaVAPipeline.load(from: folder, dtype: compute.dtype, device: device, template: template)
    printNote(pipeline.templateNote)
    let ladder = try ladder(pipeline, folder)
    return try checkOption("--layer and --budgets") {
      try ServedModel(
        name: name ?? (demo ? "epic-demo" : model?.text.split(separator: "/").last.map(String.init) ?? "model"), pipeline,
        compressor: compressor, layer: layer,
        ladder: ladder)
    }
  }

  private func ladder(_ pipeline: LLaVAPipeline, _ folder: URL) throws -> BudgetLadder {
    let total = pipeline.model.pictureLayout.count
    if let listed = try listed, let wrong = listed.first(where: { $0 > total }) {
      throw ValidationError("--budgets has \(wrong), expected at most the \(total) visual tokens of a picture")
    }
    if case .tokens(let tokens)? = try standard?.amount, tokens > total {
      throw ValidationError("--budget is \(tokens), expected at most the \(total) visual tokens of a picture")
    }
    let known = try evaluated(pipeline, folder)
    let asked = try listed?.map { tokens in known?.first { $0.tokens == tokens } ?? BudgetLadder.Rung(tokens) }
    let rungs = asked ?? known ?? BudgetLadder.usual(total: total)
    let allowsOthers = budgets == "any" || asked == nil && known == nil
    return BudgetLadder(total: total, rungs: rungs, allowsOthers: allowsOthers, standard: try standard)
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

/// Where the server listens, and who may ask.
struct NetworkOptions: ParsableArguments {
  @Option(help: "Address to listen at; 0.0.0.0 for all of this machine's.")
  var host = "127.0.0.1"

  @Option(help: "Port to listen at; 0 takes a free one.")
  var port = 8000

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A key that requests have to bring as \"Authorization: Bearer …\", everywhere but at /health; may be given several times.",
      discussion: "EPIC_API_KEY does the same and is not seen in the list of processes.", valueName: "key"))
  var apiKey: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("An origin whose pages may ask, or *; may be given several times.", valueName: "origin"))
  var allowedOrigin: [String] = []

  @Option(help: ArgumentHelp("Certificate chain, PEM; with --tls-key for https.", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("Private key, PEM.", valueName: "file"))
  var tlsKey: String?

  @Option(help: "Most bytes of a request's body.")
  var maxBodyBytes = 32 << 20

  @Option(help: "Most connections.")
  var maxConnections = 1024

  func validate() throws {
    if !(0...65_535).contains(port) { throw ValidationError("--port is \(port), expected 0...65535") }
    if (tlsCert == nil) != (tlsKey == nil) { throw ValidationError("--tls-cert and --tls-key go together") }
    if apiKey.contains("") { throw ValidationError("--api-key is empty") }
    for (name, value) in [("max-body-bytes", maxBodyBytes), ("max-connections", maxConnections)] where value < 1 {
      throw ValidationError("--\(name) is \(value), expected 1 or more")
    }
  }

  func apply(to options: inout ServerOptions) throws {
    (options.host, options.port) = (host, port)
    options.keys = apiKey
    if let key = ProcessInfo.processInfo.environment["EPIC_API_KEY"], !key.isEmpty { options.keys.append(key) }
    options.origins = Set(allowedOrigin)
    if let tlsCert, let tlsKey {
      for path in [tlsCert, tlsKey] where !FileManager.default.isReadableFile(atPath: path) {
        throw InputError(description: "\(path): cannot be read; give a PEM file")
      }
      options.tls = (URL(fileURLWithPath: tlsCert), URL(fileURLWithPath: tlsKey))
    }
    (options.maximumBodyBytes, options.maximumConnections) = (maxBodyBytes, maxConnections)
  }
}

/// Which pictures are read.
struct PictureOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Hosts, with or without a port, whose pictures are fetched by http and https; * for all that are public. None unless given.",
      valueName: "host"))
  var allowedMediaDomains: [String] = []

  @Option(help: ArgumentHelp("Folder whose pictures may be asked for by file: address. None unless given.", valueName: "dir"))
  var allowedLocalMediaPath: String?

  @Option(help: "Most pictures of a request.")
  var limitImages = 16

  @Option(help: "Most pixels of a picture.")
  var maxPixels = 1 << 26

  @Option(help: "Most bytes of a picture's file.")
  var maxImageBytes = 20 << 20

  @Option(help: "Seconds that fetching a picture may take.")
  var fetchTimeout = 5

  func validate() throws {
    for (name, value) in [
      ("limit-images", limitImages), ("max-pixels", maxPixels), ("max-image-bytes", maxImageBytes),
      ("fetch-timeout", fetchTimeout),
    ] where !(1...1 << 40).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1 or more")
    }
  }

  func apply(to options: inout ServerOptions) throws {
    options.fetching.domains = Set(allowedMediaDomains.map { $0.lowercased() })
    if let path = allowedLocalMediaPath {
      do {
        options.fetching.folder = try LocalFolder(URL(fileURLWithPath: path))
      } catch {
        throw InputError(description: "--allowed-local-media-path: \(error)")
      }
    }
    (options.maximumPictures, options.maximumPixels) = (limitImages, maxPixels)
    (options.fetching.maximumBytes, options.fetching.timeout) = (maxImageBytes, .seconds(fetchTimeout))
  }
}

/// How much is answered at a time.
struct LoadOptions: ParsableArguments {
  @Option(help: "Most answers that are written at a time.")
  var maxSequences = 32

  @Option(help: "Most requests that wait behind them; further ones get status 429.")
  var maxQueued = 128

  @Option(help: ArgumentHelp("Memory for keys and values of running answers, in MiB.", valueName: "mib"))
  var cacheMemory = 2048

  @Option(
    help: ArgumentHelp(
      "Memory for what is kept of pictures for further questions about them, in MiB; 0 keeps nothing.", valueName: "mib"))
  var sharedMemory = 1024

  @Option(help: "Milliseconds that reading prompts may keep running answers from their next token.")
  var maxStall = 200

  @Option(help: "Milliseconds to the first token that the budget auto aims at where a request names none.")
  var targetTtft = 1000.0

  @Option(help: "Longest answer where a request says nothing, in tokens.")
  var defaultMaxTokens = 1024

  @Option(help: "Seconds in which an answer has to be complete.")
  var answerTimeout = 600.0

  @Option(help: "Seconds that running answers get when the server is told to stop.")
  var drainTimeout = 30.0

  func validate() throws {
    for (name, value, range) in [
      ("max-sequences", maxSequences, 1...4096), ("max-queued", maxQueued, 0...1 << 20),
      ("cache-memory", cacheMemory, 1...1 << 30),
      ("shared-memory", sharedMemory, 0...1 << 30), ("max-stall", maxStall, 1...60_000),
      ("default-max-tokens", defaultMaxTokens, 1...1 << 30),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
    for (name, value) in [("target-ttft", targetTtft), ("answer-timeout", answerTimeout), ("drain-timeout", drainTimeout)]
    where !(0.001...1e6).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 0.001...1000000")
    }
  }

  func apply(to options: inout ServerOptions) {
    (options.engine.maximumSequences, options.engine.maximumQueued) = (maxSequences, maxQueued)
    (options.engine.cacheBytes, options.engine.sharedBytes) = (cacheMemory << 20, sharedMemory << 20)
    options.engine.stall = .milliseconds(maxStall)
    (options.targetTTFT, options.defaultNewTokens) = (targetTtft, defaultMaxTokens)
    (options.answerSeconds, options.drainSeconds) = (answerTimeout, drainTimeout)
  }
}
