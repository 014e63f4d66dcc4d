import Basics
import Foundation
import Programs
import Results

/// Runs of a laboratory, each `epic train` and then `epic eval` in a folder of its own, several at a time.
public struct LabWork {
  private let grid: LabGrid
  private let folder: URL
  private let split: String
  private let threads: Int
  private let device: String
  private let discards: Bool
  private var journal: LabJournal
  /// What a base's weights and the data are known by.
  private let inputs: [String: String]
  private let lock: FileLock
  private let console: any Console

  /// Takes a folder for a grid.
  ///
  /// - Parameters:
  ///   - split: the part of the data that is asked.
  ///   - threads: CPU threads of each run.
  ///   - device: where to compute.
  ///   - discards: remove a run's checkpoints once it is evaluated.
  /// - Throws: `LabError`, before anything is written; `ProgramError`.
  public init(
    _ grid: LabGrid, in folder: URL, split: String, threads: Int, device: String, discards: Bool, console: any Console
  ) throws {
    (self.grid, self.folder, self.split, self.threads) = (grid, folder, split, threads)
    (self.device, self.discards, self.console) = (device, discards, console)
    let data = try Self.print(of: URL(fileURLWithPath: grid.data).appending(path: "dataset.json"))
    inputs = try Dictionary(
      grid.bases.map { base -> (String, String) in
        let weights = try Self.print(of: URL(fileURLWithPath: base.model).appending(path: "model.safetensors"))
        let file = try base.file.map { try Self.print(of: URL(fileURLWithPath: grid.data).appending(path: $0)) } ?? ""
        return (base.name, data + weights + file)
      }, uniquingKeysWith: { $1 })
    // Nothing is written before all that can be wrong has been looked at.
    journal = try LabJournal(in: folder)
    guard let lock = try FileLock(folder.appending(path: ".lock")) else { throw LabError.inUse(folder: folder.relativePath) }
    self.lock = lock
  }

  /// A number that changes with a file's bytes.
  private static func print(of url: URL) throws -> String {
    try file(url) { LabGrid.hash(try Data(contentsOf: $0, options: .mappedIfSafe)) }
  }

  /// Does something with a file, whose errors become one line.
  private static func file<T>(_ url: URL, _ work: (URL) throws -> T) throws -> T {
    do {
      return try work(url)
    } catch {
      throw LabError.unusable(path: url.relativePath, reason: systemReason(error))
    }
  }

  // MARK: - One run

  /// Changes with everything that a trained model follows from.
  private func trainingPrint(_ run: LabRun) -> String {
    grid.trainingFingerprint(of: run, inputs: inputs[run.base] ?? "")
  }

  private func fingerprint(_ run: LabRun) -> String {
    grid.fingerprint(of: run, inputs: inputs[run.base] ?? "")
  }

  /// A run's result on this split, where it is there.
  public func result(of run: LabRun) throws -> LabResult? { journal.result(of: run, split: split, fingerprint: fingerprint(run)) }

  private func place(_ run: LabRun) -> URL { folder.appending(path: "\(run.name)-\(trainingPrint(run).prefix(8))") }

  /// Where a run is trained.
  private func trainingPlace(_ run: LabRun) -> URL { place(grid.trained(run)) }

  /// Where the model between base and trained model is written.
  private func between(_ run: LabRun) -> URL { place(run).appending(path: "between") }

  private func checkpoint(_ run: LabRun) throws -> URL? {
    if grid.settings(of: run) == nil { return grid.bases.first { $0.name == run.base }.map { URL(fileURLWithPath: $0.model) } }
    let folder = trainingPlace(run).appending(path: "run")
    if !isThere(folder) { return nil }
    let names = try Self.file(folder) { try FileManager.default.contentsOfDirectory(atPath: $0.path) }
    return names.filter { $0.hasPrefix("checkpoint-") }.max().map { folder.appending(path: $0) }
  }

  private func isThere(_ url: URL) -> Bool { FileManager.default.fileExists(atPath: url.path) }

  /// Whether training has come to its end.
  private func isTrained(_ run: LabRun) throws -> Bool {
    if grid.settings(of: run) == nil { return true }
    return try isThere(trainingPlace(run).appending(path: "trained")) && checkpoint(run) != nil
  }

  /// What is to be done for a run, in this order.
  private enum Stage {
    case train, interpolate, ask

    /// In words, for the line that shows what is at work.
    var text: String {
      switch self {
      case .train: "trains"
      case .interpolate: "is interpolated"
      case .ask: "is asked"
      }
    }
  }

  private func nextStage(_ run: LabRun) throws -> Stage {
    if try !isTrained(run) { return .train }
    return grid.interpolation(of: run) == nil || isThere(between(run)) ? .ask : .interpolate
  }

  private func arguments(_ run: LabRun, _ stage: Stage) throws -> [String] {
    switch stage {
    case .train: trainingArguments(run)
    case .interpolate: try interpolationArguments(run)
    case .ask: try evaluationArguments(run)
    }
  }

  private func interpolationArguments(_ run: LabRun) throws -> [String] {
    let base = grid.bases.first { $0.name == run.base }?.model ?? ""
    return [
      "convert", try checkpoint(run)?.relativePath ?? "", between(run).relativePath, "--interpolate", base, "--weight",
      "\(grid.interpolation(of: run)?.weight ?? 1)",
    ]
  }

  private func trainingArguments(_ run: LabRun) -> [String] {
    let base = grid.bases.first { $0.name == run.base }
    let own = [
      "model=\(base?.model ?? "")", "output=\(trainingPlace(run).appending(path: "run").relativePath)", "seed=\(run.seed ?? 0)",
      "threads=\(threads)",
      "device=\(device)", "data.file=\(grid.data)/\(base?.file ?? "train.json")", "data.images=\(grid.data)",
    ]
    let settings = (grid.settings(of: run) ?? []).map { "\($0.key)=\($0.value)" }
    let isBegun = isThere(trainingPlace(run).appending(path: "run/metrics.jsonl"))
    return ["train"] + (own + settings).flatMap { ["--set", $0] } + (isBegun ? ["--resume"] : [])
  }

  private func evaluationArguments(_ run: LabRun) throws -> [String] {
    let e = grid.evaluation
    let model = grid.interpolation(of: run) == nil ? try checkpoint(run) : between(run)
    var arguments = [
      "eval", "--model", model?.relativePath ?? "", "--benchmark", e.benchmarks.joined(separator: ","), "--data",
      "\(grid.data)/\(split)", "--output", place(run).appending(path: split).relativePath, "--timed", "0", "--threads",
      "\(threads)",
      "--device", device, "--max-tokens", "16",
    ]
    if !e.compressors.isEmpty, !e.keep.isEmpty {
      arguments += [
        "--compressor", e.compressors.joined(separator: ","), "--keep", e.keep.map(String.init).joined(separator: ","),
      ]
      arguments += ["--layer", "\(e.layer)"]
    }
    return arguments
  }

  private func read(_ run: LabRun) throws -> LabResult {
    let results = try EvaluationResults(from: place(run).appending(path: split))
    let rows = (results.models.first?.rows ?? []).map { row in
      LabResult.Row(compressor: row.compressor, keep: row.keep, scores: row.scores.mapValues(\.percentage))
    }
    let log = trainingPlace(run).appending(path: "run")
    let steps = isThere(log.appending(path: TrainingLog.fileName)) ? try TrainingLog(from: log).steps : nil
    var found = LabResult(
      run, split: split, fingerprint: fingerprint(run), trainingSeconds: steps?.reduce(0) { $0 + $1.seconds }, rows: rows)
    found.trainingSteps = steps?.count
    let flops = steps?.compactMap(\.flops) ?? []
    if let steps, !steps.isEmpty, flops.count == steps.count { found.trainingFLOPs = flops.reduce(0, +) }
    return found
  }

  // MARK: - All runs

  /// What happens while runs are at work.
  private enum Event: Sendable {
    case ended(LabRun, Stage, OwnProgram.Ending, log: URL)
    /// Time to show how far all is.
    case tick
  }

  /// Runs what has no result yet.
  ///
  /// - Parameter jobs: how many at a time.
  /// - Returns: what failed, with the last line of its log.
  /// - Throws: `LabError`; `ResultsError`; `ProgramError`; what the console throws.
  public mutating func run(_ runs: [LabRun], jobs: Int) async throws -> [String] {
    let waiting = try runs.filter { try result(of: $0) == nil }
    try console.line("\(runs.count) runs, \(runs.count - waiting.count) of them done before")
    return try await withThrowingTaskGroup(of: Event.self) { group in
      defer { group.cancelAll() }
      return try await work(waiting[...], jobs, &group)
    }
  }

  private mutating func work(
    _ runs: ArraySlice<LabRun>, _ jobs: Int, _ group: inout ThrowingTaskGroup<Event, any Error>
  ) async throws -> [String] {
    var (waiting, failures, done) = (runs, [String](), 0)
    /// What is at work.
    var atWork: [LabRun: Stage] = [:]
    let rate = ProgressRate(total: runs.count)
    func begin(_ run: LabRun) throws {
      let stage = try nextStage(run)
      let (arguments, log) = try prepare(run, stage)
      atWork[run] = stage
      group.addTask { [console] in
        .ended(run, stage, try await OwnProgram.run(arguments, log: log, console: console), log: log)
      }
    }
    func tick() {
      group.addTask {
        try await Task.sleep(for: .milliseconds(100))
        return .tick
      }
    }
    /// Two runs that stand on one training are not at work together.
    func isFree(_ run: LabRun) -> Bool { !atWork.keys.contains { grid.trained($0) == grid.trained(run) } }
    tick()
    while !waiting.isEmpty || !atWork.isEmpty {
      while atWork.count < jobs, !console.isStopping, let next = waiting.firstIndex(where: isFree) {
        try begin(waiting.remove(at: next))
      }
      if atWork.isEmpty { break }
      guard case .ended(let run, let stage, let ending, let log) = try await group.next() else {
        console.status {
          let shown = atWork.map { "\($0.key.name) \($0.value.text)" }.sorted()
          return "\(shown.joined(separator: ", ")): \(rate.text(done))"
        }
        tick()
        continue
      }
      atWork[run] = nil
      switch ending {
      case .stopped: break
      case .failed:
        failures.append("\(run.name): \(try Self.lastLine(log))")
        try console.line("\(run.name): failed, \(try Self.lastLine(log))")
        done += 1
      case .done where stage == .train:
        try Self.file(trainingPlace(run).appending(path: "trained")) { try Data().write(to: $0) }
        try begin(run)
      case .done where stage == .interpolate: try begin(run)
      case .done:
        try journal.append(read(run))
        done += 1
        try console.line("\(run.name): done (\(rate.text(done)))")
        try discard(run)
      }
    }
    if console.isStopping { try console.line("stopped     what is done is kept; the same command goes on") }
    return failures
  }

  private func discard(_ run: LabRun) throws {
    guard discards, grid.settings(of: run) != nil else { return }
    var places = ["trained", "run"].map { trainingPlace(run).appending(path: $0) }
    if grid.interpolation(of: run) != nil { places.append(between(run)) }
    for place in places { try Self.file(place) { try FileManager.default.removeItem(at: $0) } }
  }

  /// A run's command, and the log that its output goes to, in which the command stands already.
  private func prepare(_ run: LabRun, _ stage: Stage) throws -> (arguments: [String], log: URL) {
    let arguments = try arguments(run, stage)
    let folder = stage == .train ? trainingPlace(run) : place(run)
    let log = folder.appending(path: stage == .train ? "train.log" : "\(split).log")
    try Self.file(folder) { try FileManager.default.createDirectory(at: $0, withIntermediateDirectories: true) }
    try Self.file(log) { url in
      let old = isThere(url) ? try Data(contentsOf: url) : Data()
      try (old + Data("$ \(shellLine(["epic"] + arguments))\n".utf8)).write(to: url)
    }
    return (arguments, log)
  }

  private static func lastLine(_ log: URL) throws -> String {
    let text = String(decoding: try file(log) { try Data(contentsOf: $0) }, as: UTF8.self)
    return text.split(separator: "\n").last.map(String.init) ?? "\(log.relativePath) is empty"
  }
}
