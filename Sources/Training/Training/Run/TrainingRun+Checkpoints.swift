import Foundation
import LLaVA
import Torch

/// Saving a run and going on with it.
extension TrainingRun {
  /// Writes a checkpoint of where the run stands; an existing one is left as it is.
  ///
  /// The first process writes it, and all wait until it is there.
  @discardableResult
  public func save() throws -> RunFolder.Checkpoint {
    let place: RunFolder.Checkpoint
    shards?.beginSaving(then: model.lora == nil ? [] : AdapterFolder.names(of: model, whole: trainedGroups))
    if world.isFirst {
      place = try write()
    } else {
      place = folder.checkpoint(after: step)
      if isSharded { try writeShard(into: nil) }
    }
    try world.barrier()
    return place
  }

  /// Has every process write what it alone has of the optimizer's state.
  ///
  /// - Parameter folder: on the first process where the run's state is being written, nil where it is there already.
  private func writeShard(into folder: URL?) throws {
    try shards?.finishPass()
    let path = try world.gathered(folder?.path ?? "")[0]
    if !world.isFirst, !path.isEmpty {
      try optimizer.write(to: RunFolder.Checkpoint.optimizer(of: world.rank, in: URL(fileURLWithPath: path)))
    }
    try world.barrier()
  }

  /// Takes the optimizer's state from a checkpoint, whatever number of processes wrote it.
  static func restore(_ optimizer: AdamW, from checkpoint: RunFolder.Checkpoint) throws {
    let saved = SavedOptimizer(try checkpoint.optimizers.map { try SafetensorsFile($0) })
    try optimizer.restore(all: true) { try saved.tensor($0) }
  }

  /// The parts of the model that change.
  private var trainedGroups: Set<ParameterGroup> { Set(optimizer.options.learningRates.keys) }

  private func write() throws -> RunFolder.Checkpoint {
    // What was logged until here is not made again, so it has to be there as long as the checkpoint is.
    try metrics?.sync()
    try skipLog.sync()
    let state = RunState(
      step: step, steps: steps, data: data, seconds: seconds, configuration: RunState.values(configuration), model: origin,
      curriculum: curriculum?.state, best: best, processes: world.count)
    return try folder.write(
      model, optimizer, state, companions: URL(fileURLWithPath: configuration.model), keep: configuration.checkpoints.keep,
      others: { if self.isSharded { try self.writeShard(into: $0) } })
  }
}
