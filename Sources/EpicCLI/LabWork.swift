import Foundation
import Lab
import Results

/// Runs of a laboratory as children of this process, several at a time.
struct LabWork {
  private let grid: LabGrid
  private let folder: URL
  private let split: String
  private let threads: Int
  private let device: String
  private let discards: Bool
  private var journal: LabJournal
  /// What a base's weights and the data are known by.
  private let inputs: [String: String]
  /// Held as long as the process lives.
  private let lock: Int32

  init(_ grid: LabGrid, in folder: URL, split: String, threads: Int, device: String, discards: Bool) throws {
    (self.grid, self.folder, self.split, self.threads) = (grid, folder, split, threads)
    (self.device, self.discards) = (device, discards)
    let data = try Self.print(of: URL(fileURLWithPath: grid.data).appending(path: "dataset.json"))
    inputs = try Dictionary(
      grid.bases.map { base in
        (base.name, data + (try Self.print(of: URL(fileURLWithPath: base.model).appending(path: "model.safetensors"))))
      }, uniquingKeysWith: { $1 })
    // Nothing is written before all that can be wrong has been looked at.
    journal = try LabJournal(in: folder)
    lock = open(folder.appending(path: ".lock").path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    if lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0 { throw LabError.inUse(folder: folder.relativePath) }
  }

  /// A number that changes with a file's bytes.
  private static func print(of url: URL) throws -> String {
    do {
      return hash(try Data(contentsOf: url, options: .mappedIfSafe))
    } catch {
      throw LabError.unusable(path: url.relativePath, reason: "cannot be read (\(describe(error)))")
    }
  }

  /// FNV-1a.
  private static func hash(_ data: Data) -> String {
    let state = data.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    return String(state, radix: 16)
  }

  // MARK: - One run

  /// Changes with everything that a trained model follows from.
  private func trainingPrint(_ run: LabRun) -> String {
    let settings = grid.settings(of: run).map { $0.map { "\($0.key)=\($0.value)" }.joined(separator: " ") } ?? "as it is"
    return Self.hash(Data("\(settings) seed \(run.seed ?? -1) \(inputs[run.base] ?? "")".utf8))
  }

  private func fingerprint(_ run: LabRun) -> String {
    let e = grid.evaluation
    return Self.hash(Data("\(trainingPrint(run)) \(e.benchmarks) \(e.compressors) \(e.keep) \(e.layer)".utf8))
  }

  /// A run's result on this split, where it is there.
  func result(of run: LabRun) throws -> LabResult? { journal.result(of: run, split: split, fingerprint: fingerprint(run)) }

  private func place(_ run: LabRun) -> URL { folder.appending(path: "\(run.name)-\(trainingPrint(run).prefix(8))") }

  private func checkpoint(_ run: LabRun) -> URL? {
    if grid.settings(of: run) == nil { return grid.bases.first { $0.name == run.base }.map { URL(fileURLWithPath: $0.model) } }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place(run).appending(path: "run").path)) ?? []
    let newest = names.filter { $0.hasPrefix("checkpoint-") && !$0.hasSuffix(".partial") }.max()
    return newest.map { place(run).appending(path: "run").appending(path: $0) }
  }

  /// Whether training has come to its end; what it says then is the last line of its log.
  private func isTrained(_ run: LabRun) -> Bool {
    if grid.settings(of: run) == nil { return true }
    return FileManager.default.fileExists(atPath: place(run).appending(path: "trained").path) && checkpoint(run) != nil
  }

  private func trainingArguments(_ run: LabRun) -> [String] {
    let base = grid.bases.first { $0.name == run.base }?.model ?? ""
    let own = [
      "model=\(base)", "output=\(place(run).appending(path: "run").relativePath)", "seed=\(run.seed ?? 0)", "threads=\(threads)",
      "device=\(device)", "data.file=\(grid.data)/train.json", "data.images=\(grid.data)",
    ]
    let settings = (grid.settings(of: run) ?? []).map { "\($0.key)=\($0.value)" }
    let isBegun = FileManager.default.fileExists(atPath: place(run).appending(path: "run/metrics.jsonl").path)
    return ["train"] + (own + settings).flatMap { ["--set", $0] } + (isBegun ? ["--resume"] : [])
  }

  private func evaluationArguments(_ run: LabRun) -> [String] {
    let e = grid.evaluation
    var arguments = [
      "eval", "--model", checkpoint(run)?.relativePath ?? "", "--benchmark", e.benchmarks.joined(separator: ","), "--data",
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
      LabResult.Row(strategy: row.strategy, keep: row.keep, scores: row.scores.mapValues(\.percentage))
    }
    let metrics = try? String(contentsOf: place(run).appending(path: "run/metrics.jsonl"), encoding: .utf8)
    struct Line: Decodable { let seconds: Double }
    let seconds = metrics.map { text in
      text.split(separator: "\n").reduce(0) { sum, line in
        sum + ((try? JSONDecoder().decode(Line.self, from: Data(line.utf8)))?.seconds ?? 0)
      }
    }
    return LabResult(run, split: split, fingerprint: fingerprint(run), trainingSeconds: seconds, rows: rows)
  }

  // MARK: - All runs

  private struct Child {
    let run: LabRun
    let isTraining: Bool
    let process: pid_t
    let log: URL
  }

  /// Runs what has no result yet.
  ///
  /// - Returns: what failed, with the last line of its log.
  mutating func run(_ runs: [LabRun], jobs: Int, _ signals: StopSignals) throws -> [String] {
    var waiting = try runs.filter { try result(of: $0) == nil }[...]
    let total = waiting.count
    try printLine("\(runs.count) runs, \(runs.count - total) of them done before")
    var (children, failures, done) = ([Child](), [String](), 0)
    let (line, rate) = (ProgressLine(), ProgressRate(total: total))
    defer { line.clear() }
    while !waiting.isEmpty || !children.isEmpty {
      while children.count < jobs, !signals.haveCome, let run = waiting.popFirst() {
        children.append(try begin(run, training: !isTrained(run)))
      }
      if signals.haveCome, children.isEmpty { break }
      usleep(50_000)
      line.show {
        "\(children.map { $0.run.name + ($0.isTraining ? " trains" : " is asked") }.joined(separator: ", ")): \(rate.text(done))"
      }
      if signals.haveCome { for child in children { kill(child.process, SIGTERM) } }
      for (index, child) in children.enumerated().reversed() {
        var status: Int32 = 0
        guard waitpid(child.process, &status, WNOHANG) == child.process else { continue }
        children.remove(at: index)
        if signals.haveCome { continue }
        line.clear()
        if status != 0 {
          failures.append("\(child.run.name): \(Self.lastLine(child.log))")
          try printLine("\(child.run.name): failed, \(Self.lastLine(child.log))")
          done += 1
        } else if child.isTraining {
          try demoFile(place(child.run).appending(path: "trained")) { try Data().write(to: $0) }
          children.append(try begin(child.run, training: false))
        } else {
          try journal.append(read(child.run))
          done += 1
          try printLine("\(child.run.name): done (\(rate.text(done)))")
          if discards, grid.settings(of: child.run) != nil {
            try? FileManager.default.removeItem(at: place(child.run).appending(path: "trained"))
            try? FileManager.default.removeItem(at: place(child.run).appending(path: "run"))
          }
        }
      }
    }
    line.clear()
    if signals.haveCome { try printLine("stopped     what is done is kept; the same command goes on") }
    return failures
  }

  private func begin(_ run: LabRun, training: Bool) throws -> Child {
    let arguments = training ? trainingArguments(run) : evaluationArguments(run)
    let log = place(run).appending(path: training ? "train.log" : "\(split).log")
    try demoFile(place(run)) { try FileManager.default.createDirectory(at: $0, withIntermediateDirectories: true) }
    let header = Data("$ \(shellLine(["epic"] + arguments))\n".utf8)
    try demoFile(log) { url in
      let old = (try? Data(contentsOf: url)) ?? Data()
      try (old + header).write(to: url)
    }
    return Child(run: run, isTraining: training, process: try spawn(arguments, log: log), log: log)
  }

  private static func lastLine(_ log: URL) -> String {
    let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").last.map(String.init) ?? "\(log.relativePath) is empty"
  }
}
