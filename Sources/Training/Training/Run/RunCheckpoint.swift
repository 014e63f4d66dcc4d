import Basics
import Foundation
import LLaVA
import Torch

/// What a run's checkpoint is, from its state and the headers of its files.
public struct RunCheckpoint: Sendable, Encodable {
  /// Processes that can go on with it, and the micro-batches that each of them then has in a step.
  public struct Resumption: Sendable, Encodable {
    /// Processes.
    public let processes: Int
    /// `batch.accumulation`.
    public let accumulation: Int
  }

  /// Steps that it has behind it, and all that the run has.
  public let step: Int, steps: Int
  /// The curriculum by name, or the plan of all steps.
  public let curriculum: String
  /// Parts that are trained.
  public let parts: [String]
  /// Rank of adapters; nil without.
  public let loraRank: Int?
  /// Precision of the weights.
  public let dtype: String
  /// Processes that wrote it, and the files that the optimizer's state lies in.
  public let processes: Int, shards: Int
  /// What they divided.
  public let sharding: String
  /// Seconds of training, resumed parts included.
  public let seconds: Double
  /// Bytes of each file, by its path in the checkpoint.
  public let files: [String: Int]
  /// Bytes of all.
  public let bytes: Int
  /// How it can be gone on with.
  public let resumptions: [Resumption]

  /// Whether a folder holds a run's state beside its model, complete or not.
  public static func isOne(_ folder: URL) -> Bool {
    let (manager, run) = (FileManager.default, folder.appending(path: "run"))
    var isFolder: ObjCBool = false
    guard manager.fileExists(atPath: run.path, isDirectory: &isFolder), isFolder.boolValue else { return false }
    return folder.lastPathComponent.hasPrefix("checkpoint-") || manager.fileExists(atPath: run.appending(path: "state.json").path)
  }

  /// Looks at a checkpoint whose model's headers have been read; no tensor is.
  ///
  /// - Throws: `RunError.badState` for the first file that is missing or damaged, and for state that does not fit the model;
  ///   `RunError.unknownKeys`, `ConfigurationProblem`.
  public init(_ reader: CheckpointReader) throws {
    let place = RunFolder.Checkpoint(step: 0, url: reader.folder)
    let state = try RunState.read(place)
    let known = Set(ConfigurationKey.all.map(\.path))
    let unknown = state.configuration.keys.filter { !known.contains($0) }.sorted()
    if !unknown.isEmpty { throw RunError.unknownKeys(unknown) }
    var configuration = TrainingConfiguration()
    for (key, value) in state.configuration.sorted(by: { $0.key < $1.key }) { try configuration.set("\(key)=\(value)") }
    guard state.step >= 0, state.steps >= state.step, (1...1 << 20).contains(state.processes ?? 1) else {
      throw RunError.badState(file: place.state.relativePath, reason: "has numbers of steps or processes that cannot be")
    }
    processes = state.processes ?? 1
    let isSharded = processes > 1 && configuration.distributed.shard != .none
    shards = isSharded ? processes : 1
    try Self.check(place, shards: shards, configuration, reader)
    (step, steps, seconds) = (state.step, state.steps, state.seconds)
    curriculum = configuration.compression.reduce ?? configuration.curriculum.name ?? "token"
    parts = (configuration.optimizer.parts ?? []).map(\.rawValue)
    loraRank = configuration.lora.rank
    dtype = configuration.dtype.rawValue
    sharding = configuration.distributed.shard.rawValue
    files = try Self.files(in: reader.folder)
    bytes = files.values.reduce(0, +)
    let (batches, isTooLarge) = configuration.batch.accumulation.multipliedReportingOverflow(by: processes)
    let counts = isTooLarge || configuration.batch.tokens != nil ? [] : (1...min(1024, batches)).filter { batches % $0 == 0 }
    resumptions =
      counts.isEmpty
      ? [Resumption(processes: processes, accumulation: configuration.batch.accumulation)]
      : counts.map { Resumption(processes: $0, accumulation: batches / $0) }
  }

  /// Throws unless the optimizer's files together have all that the trained weights need.
  private static func check(
    _ place: RunFolder.Checkpoint, shards: Int, _ configuration: TrainingConfiguration, _ reader: CheckpointReader
  ) throws {
    let folder = place.state.deletingLastPathComponent()
    // Elements of each tensor; where processes have parts of it, of all parts.
    var counts: [String: Int] = [:]
    for rank in 0..<shards {
      let url = RunFolder.Checkpoint.optimizer(of: rank, in: folder)
      guard FileManager.default.fileExists(atPath: url.path) else {
        let writers = shards > 1 ? ", one of \(shards) that hold the optimizer's state" : ""
        throw RunError.badState(file: url.relativePath, reason: "is missing\(writers)")
      }
      do {
        for (name, entry) in try SafetensorsFile(url).entries {
          counts[SavedOptimizer.parsed(name).base, default: 0] += entry.count
        }
      } catch {
        throw RunError.badState(file: url.relativePath, reason: "is damaged (\(error))")
      }
    }
    let trained = Set(configuration.optimizer.parts ?? [])
    for weight in try ModelWeights(reader.configuration, lora: configuration.loraOptions).all where trained.contains(weight.group)
    {
      if weight.group != .adapter, !reader.contains(weight.name) { continue }
      for part in ["exp_avg", "exp_avg_sq", "master", "step"] {
        let name = "\(part)/\(weight.name)"
        guard let count = counts[name] else {
          throw RunError.badState(file: folder.relativePath, reason: "has no \(name) in any file of the optimizer")
        }
        // Each part has its own count of steps.
        if part != "step", count != weight.count {
          throw RunError.badState(
            file: folder.relativePath, reason: "has \(name) with \(count) elements, the model \(weight.count)")
        }
      }
    }
  }

  private static func files(in folder: URL) throws -> [String: Int] {
    var found: [String: Int] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      let values = try folder.appending(path: path).resourceValues(forKeys: [.isRegularFileKey, .fileSizeKey])
      if values.isRegularFile == true { found[path] = values.fileSize ?? 0 }
    }
    return found
  }
}

/// What lies in a run's folder.
public struct RunSummary: Sendable, Encodable {
  /// A checkpoint, and what is wrong with it.
  public struct Entry: Sendable, Encodable {
    /// Name of its folder.
    public let name: String
    /// What it is; nil where it is damaged.
    public let checkpoint: RunCheckpoint?
    /// What is wrong; nil where nothing is.
    public let fault: String?
  }

  /// The oldest first.
  public let checkpoints: [Entry]
  /// Checkpoints that are being written, or that a killed run has left half done, by the name that they were to get.
  public let unfinished: [String]
  /// What was estimated of each process's memory before the first step; nil where that was not written down.
  public let memory: [MemoryEstimate]?
  /// Lines of `metrics.jsonl`: steps that were logged.
  public let loggedSteps: Int

  /// Whether a folder is a run's.
  public static func isOne(_ folder: URL) -> Bool {
    let manager = FileManager.default
    return manager.fileExists(atPath: RunFolder(folder).configuration.path)
      && !manager.fileExists(atPath: folder.appending(path: "config.json").path)
  }

  /// Looks at a folder.
  ///
  /// - Throws: `FileError.failed` where it cannot be listed.
  public init(_ folder: URL) throws {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      let metrics = RunFolder(folder).metrics
      loggedSteps =
        FileManager.default.fileExists(atPath: metrics.path)
        ? try Data(contentsOf: metrics, options: .mappedIfSafe).count { $0 == UInt8(ascii: "\n") } : 0
    } catch {
      throw FileError.failed(path: folder.relativePath, reason: systemReason(error))
    }
    // An estimate that cannot be read is as good as none: nothing goes on from it.
    let estimate = RunFolder(folder).memory
    memory =
      FileManager.default.fileExists(atPath: estimate.path)
      ? try? JSONDecoder().decode([MemoryEstimate].self, from: Data(contentsOf: estimate)) : nil
    unfinished = names.compactMap(PartialName.finalName).filter { $0.hasPrefix("checkpoint-") }.sorted()
    let numbered = names.filter { $0.hasPrefix("checkpoint-") && Int($0.dropFirst(11)) != nil }
    checkpoints = numbered.sorted { (Int($0.dropFirst(11)) ?? 0, $0) < (Int($1.dropFirst(11)) ?? 0, $1) }.map { name in
      let place = folder.appending(path: name)
      do {
        return Entry(name: name, checkpoint: try RunCheckpoint(CheckpointReader(place)), fault: nil)
      } catch {
        return Entry(name: name, checkpoint: nil, fault: "\(error)")
      }
    }
  }
}
