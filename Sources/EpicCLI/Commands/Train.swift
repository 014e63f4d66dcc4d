import ArgumentParser
import Basics
import Distributed
import Foundation
import Serving
import Training

/// Training by progressive consistency distillation.
struct Train: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model to see with fewer visual tokens.",
    discussion: """
      The YAML file names the checkpoint to start from (model, a folder or org/name[@revision] on the hub), the data (data.file, data.images) and where results go (output); \
      --keys lists what else can stand there, with its meaning and default. Ctrl-C ends the step, saves, and leaves. Started several times \
      by torchrun --no-python or srun, the processes train together on CPUs; every step then has batch.accumulation micro-batches of each.

      Example: epic train --config run.yaml --set steps=500
      """)

  @Option(help: ArgumentHelp("YAML file that says what the run is.", valueName: "file"))
  var config: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Change one key, as in --set batch.samples=4; may be given several times.", valueName: "key=value"))
  var set: [String] = []

  @Flag(help: "Go on with the run in the output folder, from its newest checkpoint.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      "Show the run's curves in a browser on this machine while it goes on, at this port of 127.0.0.1; 0 takes a free one.",
      valueName: "port"))
  var watch: Int?

  @Flag(help: "List all keys and leave.")
  var keys = false

  func validate() throws {
    if let watch, !(0...65_535).contains(watch) { throw ValidationError("--watch is \(watch), expected a port, 0...65535") }
    if !keys, config == nil, set.isEmpty { throw ValidationError("--config is missing; see also epic train --keys") }
  }

  func run() async throws {
    if keys { return try printLine(Self.listing()) }
    var configuration = try TrainingConfiguration(contentsOf: config.map { URL(fileURLWithPath: $0) }, changes: set)
    let world = try Communicator.joined(timeout: configuration.distributed.timeout)
    // One process fetches what is on the hub, the others find it there.
    if world.isFirst { configuration.model = try await ModelSource(argument: configuration.model).path() }
    try world.barrier()
    if !world.isFirst { configuration.model = try await ModelSource(argument: configuration.model).path() }
    let program = residentMemoryBytes()
    // What can be wrong with them is found before weights are read.
    let benchmarks = try RunBenchmarks(configuration)
    let page = try await world.isFirst ? openPage(configuration) : nil
    defer { page?.close() }
    let signals = StopSignals()
    let line = ProgressLine()
    defer { line.clear() }
    let run = try TrainingRun(configuration, resume: resume, world: world) { share in
      if world.isFirst { line.show { "reading data: \(Int(share * 100)) %" } }
    }
    line.clear()
    let report = try TrainingReport(run, program: program)
    if world.isFirst {
      run.notes.forEach(printNote)
      try printLine(report.beginning())
    }
    let ask = benchmarks.map { benchmarks in { try benchmarks.scores(of: run, world) } }
    let ending = try run.run(shouldStop: { signals.haveCome }, benchmarks: ask) { event in
      switch event {
      case .step(let record): try report.show(record, on: line)
      case .checkpoint(let checkpoint):
        line.clear()
        try printLine("step \(checkpoint.step): saved \(checkpoint.url.relativePath)")
      // They are counted at the end.
      case .skipped, .finished: break
      }
    }
    line.clear()
    if world.isFirst { try printLine(report.end(ending, command: resumeCommand)) }
  }

  /// The page of the run; nil where nobody asked for it.
  private func openPage(_ configuration: TrainingConfiguration) async throws -> RunPage? {
    guard let watch else { return nil }
    let page: RunPage
    do {
      page = try await RunPage.open(URL(fileURLWithPath: configuration.output, isDirectory: true), port: watch)
    } catch {
      throw InputError(description: "--watch \(watch): \(error); choose another port, or 0 for one that is free")
    }
    try printLine("watch it    http://127.0.0.1:\(page.port)")
    return page
  }

  private var resumeCommand: String {
    (["epic train"] + (config.map { ["--config", $0] } ?? []) + set.flatMap { ["--set", $0] } + ["--resume"]).joined(
      separator: " ")
  }

  private static func listing() throws -> String {
    let defaults = try TrainingConfiguration(contentsOf: nil)
    let rows = ConfigurationKey.all.map { ($0.path, $0.value(in: defaults), $0.help) }
    let width = rows.map(\.0.count).max() ?? 0
    let values = min(14, rows.map(\.1.count).max() ?? 0)
    return rows.map { key, value, help in
      let shown = ["null", "''", "\"\""].contains(value) ? "" : value
      return "\(key.leftAligned(width))  \(shown.leftAligned(values))  \(help)"
    }.joined(separator: "\n")
  }
}
