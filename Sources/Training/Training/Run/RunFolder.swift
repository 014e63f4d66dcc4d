import Basics
import Foundation

/// Why a run cannot begin or go on.
public enum RunError: Error, CustomStringConvertible {
  /// There is a run in the folder already.
  case exists(folder: String)
  /// What a run was started with differs from what it is to go on with.
  case configurationChanged(keys: [String])
  /// The run was started with keys that this version does not know.
  case unknownKeys([String])
  /// The folder that a run goes on from holds another model than it was started with.
  case modelChanged(folder: String, what: String)
  /// A checkpoint's state cannot be read.
  case badState(file: String, reason: String)
  /// Something else has the name of a file or checkpoint that is to be written.
  case inTheWay(path: String)
  /// The loss or a gradient is not finite.
  case notFinite(step: Int, what: String, batch: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .exists(let folder): "\(folder): holds a run already; go on with --resume, or choose another output"
    case .configurationChanged(let keys):
      "the run was started with another \(keys.joined(separator: ", ")); resume with the values in its configuration.yaml"
    case .unknownKeys(let keys):
      "the run was started with \(keys.joined(separator: ", ")), which this version does not know; resume it with the version that began it"
    case .modelChanged(let folder, let what):
      "\(folder): holds \(what) than the run was started with; name the folder that it began from as model"
    case .badState(let file, let reason): "\(file): \(reason); remove this checkpoint to resume from the one before it"
    case .inTheWay(let path): "\(path): is not of this run, which writes there; move it away or choose another output"
    case .notFinite(let step, let what, let batch):
      "\(what) is not finite at step \(step); no weight was changed, the batch is listed in \(batch): lower the learning rate or look at its samples"
    }
  }
}

/// Where a run keeps its files.
///
/// The folder may hold files of others: they are neither read nor removed.
public struct RunFolder: Sendable {
  /// The folder.
  public let url: URL
  /// One JSON object for each step.
  public var metrics: URL { url.appending(path: "metrics.jsonl") }
  /// Samples that could not be used.
  public var skipped: URL { url.appending(path: "skipped.jsonl") }
  /// What the run was told, everything filled in.
  public var configuration: URL { url.appending(path: "configuration.yaml") }
  /// What was estimated of each process's memory before the first step.
  public var memory: URL { url.appending(path: "memory.json") }
  /// Event files for TensorBoard.
  public var events: URL { url.appending(path: "events", directoryHint: .isDirectory) }

  /// What a process did in a step, as Chrome's trace events.
  public func trace(step: Int, rank: Int) -> URL {
    url.appending(path: "trace-\(Self.padded(step))" + (rank == 0 ? ".json" : "-\(rank).json"))
  }

  /// A run's folder.
  public init(_ url: URL) { self.url = url }

  /// A checkpoint that is complete.
  public struct Checkpoint: Sendable, Equatable {
    /// Steps that it has behind it.
    public let step: Int
    /// A Hugging Face folder, with the run's own state in `run`.
    public let url: URL

    var state: URL { url.appending(path: "run/state.json") }
    var optimizer: URL { url.appending(path: "run/optimizer.safetensors") }

    /// What a process other than the first has of the optimizer's state, in a folder.
    static func optimizer(of rank: Int, in folder: URL) -> URL {
      rank == 0 ? folder.appending(path: "optimizer.safetensors") : folder.appending(path: "optimizer-\(rank).safetensors")
    }

    /// All files that hold the optimizer's state.
    var optimizers: [URL] {
      let run = state.deletingLastPathComponent()
      return (0...).lazy.map { Self.optimizer(of: $0, in: run) }.prefix { FileManager.default.fileExists(atPath: $0.path) }
    }
  }

  /// The place of the checkpoint after a number of steps.
  func checkpoint(after step: Int) -> Checkpoint {
    Checkpoint(step: step, url: url.appending(path: Self.checkpointName(after: step)))
  }

  /// The name of the checkpoint after a number of steps.
  package static func checkpointName(after step: Int) -> String {
    "checkpoint-" + padded(step)
  }

  private static func padded(_ step: Int) -> String { String(repeating: "0", count: max(0, 6 - "\(step)".count)) + "\(step)" }

  /// All complete checkpoints, the oldest first.
  ///
  /// Those that are being written have another name, and what others call a checkpoint holds no state of a run.
  public var checkpoints: [Checkpoint] {
    // A folder that is not there, or cannot be listed, has none; who writes to it is told why.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    let found = names.compactMap { name in
      name.hasPrefix("checkpoint-") ? Int(name.dropFirst(11)).map(checkpoint(after:)) : nil
    }
    return found.filter { names.contains($0.url.lastPathComponent) && FileManager.default.fileExists(atPath: $0.state.path) }
      .sorted { $0.step < $1.step }
  }

  /// Whether a step was logged.
  ///
  /// - Throws: `FileError.failed`.
  var hasMetrics: Bool {
    get throws {
      if !FileManager.default.fileExists(atPath: metrics.path) { return false }
      do {
        return try metrics.resourceValues(forKeys: [.fileSizeKey]).fileSize != 0
      } catch {
        throw FileError.failed(path: metrics.relativePath, reason: systemReason(error))
      }
    }
  }

  /// Makes the folder.
  ///
  /// - Throws: `FileError.failed`.
  func prepare() throws {
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(path: url.relativePath, reason: systemReason(error))
    }
  }

  /// Checks that a run that has left nothing yet would overwrite nothing of others.
  ///
  /// - Parameter yaml: the run's configuration, which one that was killed as it began may have left.
  /// - Throws: `RunError.inTheWay`.
  func requireFree(for yaml: Data) throws {
    guard FileManager.default.fileExists(atPath: configuration.path) else { return }
    do {
      if try Data(contentsOf: configuration) == yaml { return }
    } catch {
      throw FileError.failed(path: configuration.relativePath, reason: systemReason(error))
    }
    throw RunError.inTheWay(path: configuration.relativePath)
  }

  /// Removes all checkpoints but the newest `count`, and the one after `best` steps.
  ///
  /// - Throws: `FileError.failed`.
  func keepNewest(_ count: Int, and best: Int? = nil) throws {
    for old in checkpoints.dropLast(count) where old.step != best { try WholeFolder.remove(old.url) }
  }
}
