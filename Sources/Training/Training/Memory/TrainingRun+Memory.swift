import Basics
import LLaVA
import Torch

extension TrainingRun {
  /// What each process's step takes at its most, in the order of processes; the first process writes it to the run's folder.
  ///
  /// - Parameter program: bytes that a process had before the run was prepared.
  /// - Throws: `CompressionError`, `FileError`.
  public func memory(program: Int) throws -> [MemoryEstimate] {
    let setting = try MemorySetting(
      configuration, for: model.configuration, weights: ModelWeights(model), batch: largestBatch, processes: world.count,
      machine: model.device == .cpu ? .cpu(program: program) : .gpu)
    let found = try (0..<world.count).map { try MemoryEstimate(setting, rank: $0) }
    if world.isFirst { try WholeFile.write(json: found, to: folder.memory) }
    return found
  }
}

extension TrainingConfiguration {
  /// The largest micro-batch, all of whose samples are as long as the longest: batches are made of samples of like lengths.
  ///
  /// - Parameters:
  ///   - longest: what samples have at most; nil where it is not known, for as much as the longest sample that is taken may have.
  ///   - visual: tokens of so many pictures of a sample.
  func largestBatch(_ longest: MemorySetting.MicroBatch?, visual: (Int) -> Int) -> MemorySetting.MicroBatch {
    let room = max(1, data.maximumLength - visual(1))
    var found = longest ?? MemorySetting.MicroBatch(samples: 1, text: room, supervised: room)
    let rows = max(1, found.text + visual(found.pictures))
    found.samples = batch.tokens.map { max(1, $0 / rows) } ?? batch.samples
    return found
  }
}
