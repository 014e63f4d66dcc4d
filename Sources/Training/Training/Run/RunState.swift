import Basics
import Distillation
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
  /// The model that the run began with; nil in states that were written before it was remembered.
  var model: ModelFingerprint?
  /// What a curriculum that tunes itself knows; nil for others.
  var curriculum: CurriculumState?
  /// The best step so far; nil where none is kept.
  var best: BestStep?
  /// Processes that trained together; nil in states that were written before there could be several.
  var processes: Int?

  /// Keys that may differ when a run goes on: the model and the data may lie elsewhere, as they are known by what they hold.
  private static let free: Set<String> = [
    "output", "model", "threads", "data.file", "data.images", "data.sources", "data.workers", "data.ahead", "checkpoints.every",
    "checkpoints.keep", "checkpoints.best", "checkpoints.patience", "validation.file", "validation.images", "validation.limit",
    "validation.every", "validation.reduce", "validation.benchmarks", "validation.benchmark-data", "validation.questions",
    "distributed.timeout", "distributed.shard", "log.every", "log.tensorboard", "log.trace", "distillation.recompute",
    "distillation.chunk-rows", "distillation.gradient-norms",
  ]

  static func values(_ configuration: TrainingConfiguration) -> [String: String] {
    Dictionary(uniqueKeysWithValues: ConfigurationKey.all.map { ($0.path, $0.value(in: configuration)) })
  }

  /// Compares the run's configuration with one that it is to go on with.
  ///
  /// A key that came after the run began has the value that it has unless it is given.
  ///
  /// - Parameters:
  ///   - configuration: everything filled in.
  ///   - model: what is trained.
  ///   - processes: that are to go on; with other processes the same number of micro-batches is the same step.
  /// - Throws: `RunError.configurationChanged`, `.unknownKeys`; `ConfigurationProblem` for values that this version does not take.
  func requireSame(_ configuration: TrainingConfiguration, for model: LLaVAConfiguration, processes: Int) throws {
    let known = Set(ConfigurationKey.all.map(\.path))
    let unknown = self.configuration.keys.filter { !known.contains($0) }.sorted()
    if !unknown.isEmpty { throw RunError.unknownKeys(unknown.map { "\($0)=\(self.configuration[$0] ?? "")" }) }
    var before = TrainingConfiguration()
    for key in ConfigurationKey.all {
      if Self.free.contains(key.path) {
        _ = key.read(key.write(configuration), &before)
      } else if let value = self.configuration[key.path] {
        try before.set("\(key.path)=\(value)")
      }
    }
    let batches = before.batch.accumulation.multipliedReportingOverflow(by: self.processes ?? 1).partialValue
    if batches == configuration.batch.accumulation.multipliedReportingOverflow(by: processes).partialValue {
      before.batch.accumulation = configuration.batch.accumulation
    }
    let (old, new) = (Self.values(try before.resolved(for: model)), Self.values(configuration))
    let changed = ConfigurationKey.all.map(\.path).filter { old[$0] != new[$0] }
    if !changed.isEmpty { throw RunError.configurationChanged(keys: changed) }
  }

  /// Compares the model that the run began with with one that it is to go on with.
  ///
  /// - Throws: `RunError.modelChanged`.
  func requireSame(_ found: ModelFingerprint, in folder: String) throws {
    guard let model else { return }
    if model.weights != found.weights { throw RunError.modelChanged(folder: folder, what: "other weights") }
    if model.surroundings != found.surroundings {
      throw RunError.modelChanged(folder: folder, what: "another configuration, tokenizer or preparation of pictures")
    }
  }

  static func read(_ checkpoint: RunFolder.Checkpoint) throws -> RunState {
    do {
      return try JSONDecoder().decode(RunState.self, from: Data(contentsOf: checkpoint.state))
    } catch is DecodingError {
      throw RunError.badState(file: checkpoint.state.relativePath, reason: "cannot be read as a run's state")
    } catch {
      throw RunError.badState(file: checkpoint.state.relativePath, reason: systemReason(error))
    }
  }
}

/// The step with the lowest loss on samples that are not trained on, or with the highest score on benchmarks.
public struct BestStep: Codable, Sendable, Equatable {
  /// Completed steps.
  public let step: Int
  /// Which loss or score it is; others are no measure for it.
  public let name: String
  /// Mean over supervised tokens, in nats; nil of a score.
  public let crossEntropy: Double?
  /// Percent of what can be reached, a mean over benchmarks and plans; nil of a loss.
  public let score: Double?
  /// Measurements since then, none of which was better; nil for none, and in states that were written before they were counted.
  public internal(set) var measurementsSince: Int?

  /// What a step came to by the figure of a name; nil where it was not measured.
  init?(_ record: StepRecord, name: String) {
    (step, self.name) = (record.step, name)
    let losses = record.validation ?? []
    let scores = (record.benchmarks ?? []).filter {
      name == TrainingConfiguration.Validation.meanScore || $0.benchmark == name
    }
    if !scores.isEmpty {
      (crossEntropy, score) = (nil, scores.reduce(0) { $0 + $1.score } / Double(scores.count))
    } else if name == "mean", !losses.isEmpty {
      (crossEntropy, score) = (losses.reduce(0) { $0 + $1.crossEntropy } / Double(losses.count), nil)
    } else if let loss = losses.first(where: { $0.reduce == name }) {
      (crossEntropy, score) = (loss.crossEntropy, nil)
    } else {
      return nil
    }
  }

  /// Whether it beats another step by the same figure.
  func beats(_ other: BestStep) -> Bool {
    if let score, let theirs = other.score { return score > theirs }
    if let crossEntropy, let theirs = other.crossEntropy { return crossEntropy < theirs }
    return true
  }
}

extension RunFolder {
  /// Writes a checkpoint that appears whole or not at all, and then removes old ones; one that is there already is left as it is.
  ///
  /// It is a complete Hugging Face folder with the run's state in it. Adapters are merged into the weights, and lie in PEFT's layout in
  /// `adapter` besides.
  ///
  /// - Parameter others: has other processes write what they have into the folder of the run's state; is given nil where nothing is written.
  /// - Throws: `RunError.inTheWay`, `FileError`, and what writing a model throws.
  func write(
    _ model: LLaVAModel, _ optimizer: AdamW, _ state: RunState, companions: URL, keep: Int,
    others: (URL?) throws -> Void = { _ in }
  ) throws -> Checkpoint {
    let checkpoint = checkpoint(after: state.step)
    if checkpoints.contains(checkpoint) {
      try others(nil)
      return checkpoint
    }
    if FileManager.default.fileExists(atPath: checkpoint.url.path) { throw RunError.inTheWay(path: checkpoint.url.relativePath) }
    try WholeFolder.write(to: checkpoint.url, isMade: false) { partial in
      try CheckpointWriter.write(model, to: partial, companions: companions)
      if model.lora != nil {
        let trained = Set(optimizer.options.learningRates.keys)
        try AdapterFolder.write(model, to: partial.appending(path: "adapter"), whole: trained, base: companions.path)
      }
      let run = partial.appending(path: "run")
      try FileManager.default.createDirectory(at: run, withIntermediateDirectories: false)
      try optimizer.write(to: run.appending(path: checkpoint.optimizer.lastPathComponent))
      try others(run)
      try WholeFile.write(json: state, to: run.appending(path: checkpoint.state.lastPathComponent), pretty: true)
    }
    try keepNewest(keep, and: state.best?.step)
    return checkpoint
  }
}
