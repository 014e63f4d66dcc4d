import ArgumentParser
import Basics
import Foundation
import LoadTest

/// A load on a server, and how it bears it.
struct BenchServe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Put a load on a running server, and measure how soon and how fast answers come.",
    discussion: """
      Every picture is asked --questions-per-image questions of random words; answers have --new-tokens tokens whatever the model says. With \
      --concurrency so many requests are under way at any time; with --rate they are sent when their time has come, whatever becomes of \
      the others. TTFT is the time to the first token, TPOT the mean for each further one, ITL between two, E2E to the end.

      Example: epic bench serve --concurrency 8
      """)

  enum OnOverload: String, ExpressibleByArgument, CaseIterable {
    case queue, degrade, reject
    static let listed = "queue, degrade (fewer visual tokens), or reject"
  }

  @Option(help: "Where the server is.")
  var url = "http://127.0.0.1:8000"

  @Option(help: ArgumentHelp("The key that requests bring.", valueName: "key"))
  var apiKey: String?

  @Option(help: ArgumentHelp("What requests call the model; the first that the server lists unless given.", valueName: "name"))
  var servedModel: String?

  @Flag(
    help: "Send OpenAI's fields alone, as some servers refuse others: no budgets, and answers may end before --new-tokens.")
  var standardFields = false

  @Option(help: ArgumentHelp("Requests that are under way at any time.", valueName: "n"))
  var concurrency: Int?

  @Option(help: ArgumentHelp("Requests a second, in place of --concurrency.", valueName: "r"))
  var rate: Double?

  @Option(help: "Shape of the times between requests with --rate: 1 is a Poisson process, less is burstier.")
  var burstiness = 1.0

  @Option(help: "Requests that are counted.")
  var requests = 64

  @Option(help: "Requests before them.")
  var warmup = 2

  @Option(help: ArgumentHelp("Budgets of the requests in turn: numbers, auto, or default to say nothing.", valueName: "list"))
  var budgets = "default"

  @Option(
    help: ArgumentHelp(
      "What the server is to do where its target for the first token would be missed: \(OnOverload.listed).", valueName: "what"))
  var onOverload: OnOverload?

  @Option(parsing: .upToNextOption, help: ArgumentHelp("Pictures that are asked about.", valueName: "file"))
  var image: [String] = []

  @Option(help: "Questions that each picture is asked.")
  var questionsPerImage = 4

  @Option(help: "Words of a question.")
  var words = 64

  @Option(help: "Tokens of an answer.")
  var newTokens = 32

  @Option(help: ArgumentHelp("Count as good what has its first token within so many milliseconds.", valueName: "ms"))
  var goodTtft: Double?

  @Option(help: ArgumentHelp("Count as good what takes at most so many milliseconds for each further token.", valueName: "ms"))
  var goodTpot: Double?

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if concurrency != nil, rate != nil { throw ValidationError("--concurrency and --rate exclude each other; give one of them") }
    for (name, value, range) in [
      ("concurrency", concurrency ?? 1, 1...4096), ("requests", requests, 1...1 << 24), ("warmup", warmup, 0...1 << 20),
      ("questions-per-image", questionsPerImage, 1...1 << 20), ("words", words, 1...1 << 16),
      ("new-tokens", newTokens, 1...1 << 16),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
    for (name, value) in [
      ("rate", rate ?? 1), ("burstiness", burstiness), ("good-ttft", goodTtft ?? 1), ("good-tpot", goodTpot ?? 1),
    ] where !(1e-3...1e6).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 0.001...1000000")
    }
    for (name, isGiven) in [("budgets", budgets != "default"), ("on-overload", onOverload != nil)] where standardFields && isGiven
    {
      throw ValidationError("--\(name) is no field of OpenAI's; leave --\(name) or --standard-fields out")
    }
    for word in budgets.split(separator: ",", omittingEmptySubsequences: false)
    where word != "default" && word != "auto" && Int(word) == nil {
      throw ValidationError("--budgets has \"\(word)\", expected numbers, auto or default, with commas between them")
    }
  }

  func run() async throws {
    var plan = LoadPlan()
    (plan.url, plan.key, plan.requests, plan.warmup) = (url, apiKey, requests, warmup)
    (plan.model, plan.hasStandardFieldsOnly) = (servedModel, standardFields)
    plan.arrival = rate.map { .open(rate: $0, burstiness: burstiness) } ?? .closed(concurrency: concurrency ?? 1)
    plan.budgets = budgets.split(separator: ",").map { $0 == "default" ? nil : String($0) }
    plan.onOverload = onOverload?.rawValue
    (plan.questions, plan.words, plan.newTokens, plan.seed) = (questionsPerImage, words, newTokens, seed)
    (plan.goodFirst, plan.goodEach) = (goodTtft, goodTpot)
    plan.pictures = try image.map { path in
      do {
        return "data:image/jpeg;base64," + (try Data(contentsOf: URL(fileURLWithPath: path)).base64EncodedString())
      } catch {
        throw InputError(description: "\(path): \(systemReason(error)); give the file of a picture")
      }
    }
    let line = WaitingLine("asking \(url)")
    defer { line.end() }
    let report = try await LoadGenerator(plan).run()
    line.end()
    if json { return try printJSON(report) }
    func ms(_ value: Double) -> String { String(format: "%.1f", value) }
    var rows: [[String]] = []
    for part in [report.all] + report.budgets {
      let name = part.budget ?? (report.budgets.isEmpty || rows.isEmpty ? "all" : "default")
      for (label, spread) in [("TTFT", part.ttft), ("TPOT", part.tpot), ("ITL", part.itl), ("E2E", part.e2e)] {
        guard let spread else { continue }
        rows.append([name, label, ms(spread.mean), ms(spread.p50), ms(spread.p90), ms(spread.p99), ms(spread.max)])
      }
    }
    try printLine(
      TextTable(
        headings: ["budget", "ms", "mean", "p50", "p90", "p99", "max"], rows: rows,
        isText: [true, true, false, false, false, false, false], names: 2
      ).text(width: nil))
    try printLine()
    let failed = report.all.failures.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
    try printLine(
      "\(report.all.completed) of \(report.all.requests) answered in \(String(format: "%.1f", report.seconds)) s"
        + (failed.isEmpty ? "" : "; status \(failed)"))
    try printLine(
      String(
        format: "%.2f requests/s, %.1f tokens/s, %.2f pictures/s%@", report.requestsPerSecond, report.tokensPerSecond,
        report.imagesPerSecond, report.goodput.map { String(format: ", goodput %.2f requests/s", $0) } ?? ""))
  }
}
