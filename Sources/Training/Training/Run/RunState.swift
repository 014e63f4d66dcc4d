import Foundation
import LLaVA
import Torch

/// What a run remembers beside weights and optimizer.
///
/// Random numbers need no state: each draw follows from the seed and the step.
struct RunState: Codable {
  /// Completed optimizer steps, and all that there will be.
  var step, steps: Int
  /// Where the next batch begins.
  var data: DataState
  /// Seconds that training took, resumed parts included.
  var seconds: Double
  /// Every key and its value.
  var configuration: [String: String]

  /// Keys that may differ when a run goes on.
  private static let free: Set<String> = [
    "output", "model", "threads", "data.workers", "data.ahead", "checkpoints.every", "checkpoints.keep", "log.every",
    "log.tensorboard", "distillation.recompute", "distillation.chunk-rows", "distillation.gradient-norms",
  ]

  static func values(_ configuration: TrainingConfiguration) -> [String: String] {
    Dictionary(uniqueKeysWithValues: ConfigurationKey.all.map { ($0.path, $0.value(in: configuration)) })
  }

  /// - Throws: `RunError.configurationChanged`.
  func requireSame(_ configuration: TrainingConfiguration) throws {
    let now = Self.values(configuration)
    let changed = ConfigurationKey.all.map(\.path).filter { !Self.free.contains($0) && self.configuration[$0] != now[$0] }
    if !changed.isEmpty { throw RunError.configurationChanged(keys: changed) }
  }

  static func read(_ checkpoint: RunFolder.Checkpoint) throws -> RunState {
    do {
      return try JSONDecoder().decode(RunState.self, from: Data(contentsOf: checkpoint.state))
    } catch {
      throw RunError.badState(file: checkpoint.state.relativePath, reason: "cannot be read as a run's state")
    }
  }
}

extension RunFolder {
  /// Writes a checkpoint that appears whole or not at all, and then removes old ones.
  ///
  /// A complete Hugging Face folder is written under another name, the run's state is put into it, everything is brought to the disk,
  /// and the folder gets its name. Adapters are merged into the weights, and lie in PEFT's layout in `adapter` besides.
  func write(_ model: LLaVAModel, _ optimizer: AdamW, _ state: RunState, companions: URL, keep: Int) throws -> Checkpoint {
    let checkpoint = checkpoint(after: state.step)
    if FileManager.default.fileExists(atPath: checkpoint.url.path) { return checkpoint }
    let temporary = url.appending(path: ".writing-\(checkpoint.url.lastPathComponent)")
    do {
      try? FileManager.default.removeItem(at: temporary)
      try CheckpointWriter.write(model, to: temporary, companions: companions)
      if model.lora != nil {
        let trained = Set(optimizer.options.learningRates.keys)
        try AdapterFolder.write(model, to: temporary.appending(path: "adapter"), whole: trained, base: companions.path)
      }
      let run = temporary.appending(path: "run")
      try FileManager.default.createDirectory(at: run, withIntermediateDirectories: false)
      try SafetensorsWriter.write(
        optimizer.state.map { SafetensorsItem($0.name, $0.tensor) },
        to: run.appending(path: checkpoint.optimizer.lastPathComponent))
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      try encoder.encode(state).write(to: run.appending(path: checkpoint.state.lastPathComponent))
      try bringToDisk(temporary)
      try FileManager.default.moveItem(at: temporary, to: checkpoint.url)
      try bringToDisk(url, recursively: false)
      try keepNewest(keep)
    } catch let error as CocoaError {
      throw RunError.unwritable(path: checkpoint.url.relativePath, reason: systemReason(error))
    }
    return checkpoint
  }

  private func bringToDisk(_ folder: URL, recursively: Bool = true) throws {
    let inside =
      recursively ? FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } : nil
    for place in (inside ?? []) + [folder] { try Self.bringToDisk(place) }
  }

  /// Waits until a file or a folder's list of names is on the disk.
  static func bringToDisk(_ place: URL) throws {
    let descriptor = open(place.path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      throw RunError.unwritable(path: place.path, reason: String(cString: strerror(errno)))
    }
  }
}
