import Foundation

/// Why a run cannot begin or go on.
public enum RunError: Error, CustomStringConvertible {
  /// There is a run in the folder already.
  case exists(folder: String)
  /// What a run was started with differs from what it is to go on with.
  case configurationChanged(keys: [String])
  /// A checkpoint's state cannot be read.
  case badState(file: String, reason: String)
  /// A file cannot be written.
  case unwritable(path: String, reason: String)
  /// The loss or a gradient is not finite.
  case notFinite(step: Int, what: String, batch: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .exists(let folder): "\(folder): holds a run already; go on with --resume, or choose another output"
    case .configurationChanged(let keys):
      "the run was started with another \(keys.joined(separator: ", ")); resume with the values in its configuration.yaml"
    case .badState(let file, let reason): "\(file): \(reason); remove this checkpoint to resume from the one before it"
    case .unwritable(let path, let reason): "\(path): cannot be written (\(reason)); make room or choose another output"
    case .notFinite(let step, let what, let batch):
      "\(what) is not finite at step \(step); no weight was changed, the batch is listed in \(batch): lower the learning rate or look at its samples"
    }
  }
}

/// Where a run keeps its files.
public struct RunFolder: Sendable {
  /// The folder.
  public let url: URL
  /// One JSON object for each step.
  public var metrics: URL { url.appending(path: "metrics.jsonl") }
  /// Samples that could not be used.
  public var skipped: URL { url.appending(path: "skipped.jsonl") }
  /// What the run was told, everything filled in.
  public var configuration: URL { url.appending(path: "configuration.yaml") }
  /// Event files for TensorBoard.
  public var events: URL { url.appending(path: "events", directoryHint: .isDirectory) }

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
  }

  /// The place of the checkpoint after a number of steps.
  func checkpoint(after step: Int) -> Checkpoint {
    Checkpoint(step: step, url: url.appending(path: Self.checkpointName(after: step)))
  }

  /// The name of the checkpoint after a number of steps.
  package static func checkpointName(after step: Int) -> String {
    "checkpoint-" + String(repeating: "0", count: max(0, 6 - "\(step)".count)) + "\(step)"
  }

  /// All complete checkpoints, the oldest first: those that are being written have another name.
  public var checkpoints: [Checkpoint] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    let found = names.compactMap { name in
      name.hasPrefix("checkpoint-") ? Int(name.dropFirst(11)).map { Checkpoint(step: $0, url: url.appending(path: name)) } : nil
    }
    return found.sorted { $0.step < $1.step }
  }

  /// Makes the folder, and takes away what a run that was killed while it wrote left half done.
  func prepare() throws {
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      for name in try FileManager.default.contentsOfDirectory(atPath: url.path) where name.hasPrefix(".") {
        try FileManager.default.removeItem(at: url.appending(path: name))
      }
    } catch {
      throw RunError.unwritable(path: url.relativePath, reason: systemReason(error))
    }
  }

  /// Removes all checkpoints but the newest `count`.
  func keepNewest(_ count: Int) throws {
    for old in checkpoints.dropLast(count) {
      // Renamed first, so that a run killed half way does not leave half a checkpoint under a good name.
      let doomed = url.appending(path: ".removed-\(old.step)")
      try FileManager.default.moveItem(at: old.url, to: doomed)
      try FileManager.default.removeItem(at: doomed)
    }
  }
}

/// The system's words for a failed file operation, without Foundation's around them.
func systemReason(_ error: any Error) -> String {
  let underlying = (error as? CocoaError)?.underlying ?? error
  let code = (underlying as? POSIXError)?.code.rawValue
  return code.map { String(cString: strerror($0)) } ?? error.localizedDescription
}
