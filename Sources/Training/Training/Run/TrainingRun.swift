import Basics
import Compression
import Distillation
import Distributed
import Foundation
import LLaVA
import Language
import Torch

/// A training run: from a configuration to checkpoints.
///
/// A run that is interrupted anywhere goes on from its newest checkpoint and ends, on the CPU, with the same bits as one that was not:
/// data, ratios and choices follow from the seed and the step, and a checkpoint has all the rest.
public final class TrainingRun {
  /// What a run tells while it goes on.
  public enum Event: Sendable {
    /// A sample cannot be used and is skipped; once for each.
    case skipped(SampleFault)
    /// A step is complete.
    case step(StepRecord)
    /// A checkpoint is complete.
    case checkpoint(RunFolder.Checkpoint)
    /// The run is over; nothing comes after it.
    case finished(Ending)
  }

  /// How a run ended.
  public enum Ending: Sendable, Equatable {
    /// All steps are done.
    case complete
    /// It was asked to stop, and saved.
    case stopped
    /// The held-out loss or score that `checkpoints.best` names has not improved for `checkpoints.patience` measurements.
    case stoppedEarly
  }

  /// What the run does, everything filled in.
  public let configuration: TrainingConfiguration
  /// What is trained.
  public let model: LLaVAModel
  /// The model with what stands between it and questions.
  public let pipeline: LLaVAPipeline
  /// Where the run keeps its files.
  public let folder: RunFolder
  /// Optimizer steps in all.
  public let steps: Int
  /// Completed ones.
  public internal(set) var step: Int
  /// Samples of the data set, broken ones included.
  public let samples: Int
  /// Samples that are not trained on, broken ones included; nil where there are none.
  public var validationSamples: Int? { validation?.dataset.count }
  /// The step whose checkpoint is kept for its loss on them; nil where none is.
  public internal(set) var best: BestStep?
  /// Broken samples met so far, by code.
  public var skipped: [SampleFault.Code: Int] { skipLog.counts }
  /// What is worth knowing before it starts, a sentence each: a chat template of the model's own that is not followed, labels that do not fit.
  public let notes: [String]
  /// Elements of the weights that are trained.
  public let trainedElements: Int
  /// The largest micro-batch, for the estimate of memory.
  let largestBatch: MemorySetting.MicroBatch

  /// The processes that train together.
  let world: Communicator
  let optimizer: AdamW
  /// Which process changes which weights, where the optimizer is divided.
  let parts: WeightParts
  /// Whether processes change different weights, or different parts of them.
  let isSharded: Bool
  /// This process's part of all weights, where these are divided as well.
  let shards: WeightShards?
  /// A step with each compressor.
  let distills: [DistillationStep]
  /// What every step drops where no curriculum says it.
  let fixedPlan: CompressionPlan?
  var curriculum: (any Curriculum)?
  /// The model that training began with, where it is the teacher.
  let frozen: LLaVAModel?
  let cost: StepCost
  let schedule: LearningRateSchedule
  let loader: DataLoader
  /// Prepares the samples that are not trained on.
  let validation: SamplePreparer?
  let skipLog: SkipLog
  let origin: ModelFingerprint
  /// Nil on all ranks but the first.
  let metrics: MetricsLog?
  var data: DataState
  var seconds: Double

  /// The template that is used where the configuration names none: the one that the run began with, else the model's own.
  private static func templateName(
    _ given: TrainingConfiguration, _ model: LLaVAConfiguration?, _ start: URL, resume: Bool
  ) throws -> String? {
    guard let model, given.data.template == nil, given.stage != .pretrain else { return nil }
    if resume, !given.output.isEmpty, let newest = RunFolder(URL(fileURLWithPath: given.output)).checkpoints.last {
      return try RunState.read(newest).configuration["data.template"]
    }
    return try TemplateChoice(start, model).template.name
  }

  /// Prepares a run, or one that goes on.
  ///
  /// - Parameters:
  ///   - resume: go on from the newest checkpoint in the output folder; from the beginning where there is none yet.
  ///   - world: the processes that train together, all of which prepare the same run in a folder that all see; each takes its share of every
  ///     step's micro-batches, and the first writes files.
  ///   - progress: is called with the share of the data file that has been read.
  /// - Throws: `ConfigurationProblem`, `RunError`, `DatasetError`, `FileError`, `CommunicatorError`, and what reading a checkpoint throws.
  public init(
    _ given: TrainingConfiguration, resume: Bool = false, world: Communicator = .alone, progress: (Double) -> Void = { _ in }
  ) throws {
    self.world = world
    let start = URL(fileURLWithPath: given.model)
    // Before anything is read or written: what is missing in the configuration.
    let known = given.model.isEmpty ? nil : try CheckpointReader(start).configuration
    let architecture = try known ?? .preset("tiny")
    let configuration = try given.resolved(for: architecture, template: Self.templateName(given, known, start, resume: resume))
    if let threads = configuration.threads { Runtime.threads = threads }
    let device = try world.device(named: configuration.device)
    let folder = RunFolder(URL(fileURLWithPath: configuration.output))
    let newest = folder.checkpoints.last
    if !resume, try newest != nil || folder.hasMetrics { throw RunError.exists(folder: configuration.output) }
    let yaml = Data(try configuration.yaml().utf8)
    if newest == nil, !FileManager.default.fileExists(atPath: folder.metrics.path) { try folder.requireFree(for: yaml) }
    let state = try newest.map(RunState.read)
    try state?.requireSame(configuration, for: architecture, processes: world.count)
    if world.count > 1, configuration.batch.tokens != nil {
      throw ConfigurationProblem.keys(["batch.tokens is for one process; give batch.samples where \(world.count) train together"])
    }
    try world.requireEqual(String(decoding: yaml, as: UTF8.self), "configuration")
    try world.requireEqual(newest?.step ?? -1, "newest checkpoint")

    // Weights that are going to be divided are read one at a time, when they are.
    let isDivided = world.count > 1 && configuration.distributed.shard == .full
    var deferred: DeferredWeights?
    let pipeline = try LLaVAPipeline.load(
      from: start, dtype: configuration.dtype, device: device, template: configuration.data.template,
      quantization: configuration.quantization
    ) { reader in
      if isDivided { deferred = DeferredWeights(reader) }
      return deferred ?? reader
    }
    func value(_ tensor: Tensor) throws -> Tensor { try deferred?.value(of: tensor) ?? tensor }
    notes = [pipeline.template.trainingNote, configuration.augmentationNote].compactMap(\.self)
    origin = try ModelFingerprint(pipeline, tokenizer: start, .samples) { try value($0.tensor) }
    try state?.requireSame(origin, in: configuration.model)
    curriculum = try configuration.makeCurriculum(for: pipeline.model.configuration)
    curriculum?.state = state?.curriculum
    let groups = Set(configuration.optimizerOptions.learningRates.keys)
    // Before a checkpoint's weights take the place of those that it is to keep.
    let teacher =
      configuration.curriculum.teacher == .frozen ? try pipeline.model.frozen(training: groups, copy: deferred?.twin) : nil
    let adapters = configuration.loraOptions
    let whole = try adapters.map { try pipeline.model.addingLoRA($0, seed: UInt64(configuration.seed)) } ?? pipeline.model
    let trained = try whole.parameters.trained(configuration.optimizerOptions)
    parts = WeightParts(trained.map(\.tensor), processes: world.count)
    isSharded = world.count > 1 && configuration.distributed.shard != .none
    if configuration.distributed.shard == .full, !whole.parameters.quantized.isEmpty {
      throw ConfigurationProblem.keys(["distributed.shard is full, which weights in few bits cannot be; give optimizer or none"])
    }
    if isDivided {
      let divided = try WeightShards.divide(whole, frozen: teacher, trained, world, value: value)
      (shards, model, frozen) = (divided.shards, divided.model, divided.frozen)
      optimizer = try AdamW(divided.shards.parts, configuration.optimizerOptions)
    } else {
      (shards, model, frozen) = (nil, whole, teacher)
      let owned = parts.owners.indices.filter { [owners = parts.owners] in owners[$0] == world.rank }
      optimizer = try AdamW(trained, configuration.optimizerOptions, changing: isSharded ? owned : nil)
    }
    self.pipeline = LLaVAPipeline(
      model: model, tokenizer: pipeline.tokenizer, preprocessor: pipeline.preprocessor, template: pipeline.template,
      videos: pipeline.videos)
    trainedElements = trained.reduce(0) { $0 + $1.tensor.count }
    if let newest {
      // What is trained comes from the optimizer's state, all else is as it was at the start.
      try Self.restore(optimizer, from: newest)
    }

    let dataset = try InstructionDataset(configuration.dataSources, limit: configuration.data.limit, progress: progress)
    samples = dataset.count
    let held = try configuration.validationSource.map {
      try InstructionDataset([$0], limit: configuration.validation.limit)
    }
    if let held { try world.requireEqual(held.fingerprint, "validation.file") }
    let layouts = model.configuration
    validation = try held.map { try SamplePreparer($0, configuration, pipeline, for: layouts) }
    try world.requireEqual(dataset.fingerprint, "data set")
    steps = configuration.steps ?? Self.steps(of: configuration, samples: dataset.count, processes: world.count)
    if world.isFirst {
      try folder.prepare()
      metrics = try MetricsLog(folder.metrics, from: state?.step ?? 0)
      // No other run has the folder now, so what lies there half done was left by one that was killed.
      try PartialName.sweep(folder.url)
      skipLog = try SkipLog(folder.skipped, continuing: state != nil)
    } else {
      (metrics, skipLog) = (nil, SkipLog())
    }
    data =
      state?.data
      ?? DataState(plan: configuration.plan(for: world.count), fingerprint: dataset.fingerprint, cursor: SampleCursor())
    let preparer = try SamplePreparer(
      dataset, configuration, pipeline, for: layouts, augmentation: configuration.augmentation)
    largestBatch = try configuration.largestBatch(
      preparer.longest(), visual: { layouts.layouts(of: $0).reduce(0) { $0 + $1.count } })
    loader = try DataLoader(
      preparer, resuming: data,
      workers: configuration.data.workers, ahead: configuration.data.ahead, skipLog: skipLog, strict: configuration.data.isStrict,
      share: configuration.batch.tokens == nil ? DataShare(rank: world.rank, count: world.count) : nil)

    cost = StepCost(model, training: groups, recomputes: configuration.distillation.recomputesActivations || shards != nil)
    fixedPlan = try configuration.fixedPlan()
    let options = configuration.distillationOptions
    distills = try configuration.reducers().map { [model] in try DistillationStep(model, $0, options) }
    schedule = try LearningRateSchedule(
      configuration.optimizer.schedule, steps: steps, warmupRatio: configuration.optimizer.warmupRatio,
      decayRatio: configuration.optimizer.decayRatio)
    step = state?.step ?? 0
    best = state?.best
    seconds = state?.seconds ?? 0
    self.configuration = configuration
    self.folder = folder
    if world.isFirst { try WholeFile.write(yaml, to: folder.configuration) }
  }

  deinit { loader.cancel() }

  private static func steps(of configuration: TrainingConfiguration, samples: Int, processes: Int) -> Int {
    let batches = (samples + configuration.batch.samples - 1) / configuration.batch.samples
    let step = Double(configuration.batch.accumulation * processes)
    return max(1, Int((Double(batches) * configuration.epochs / step).rounded(.up)))
  }

  /// Trains to the end, unobserved.
  ///
  /// - Throws: as `run(shouldStop:observe:)`.
  @discardableResult
  public func run() throws -> Ending { try run { _ in } }

  /// Trains to the end, until it is asked to stop, or until the held-out loss has long enough not improved; then saves.
  ///
  /// - Parameters:
  ///   - shouldStop: is asked before every step; where it says so on one of the processes, the run saves and ends on all.
  ///   - benchmarks: asks what ``TrainingConfiguration/Validation/benchmarks`` names of ``pipeline``, in all processes at once, and gives all of them
  ///     the same scores. Training knows no benchmark, so whoever starts a run brings it.
  ///   - observe: is told what happens, on the thread that trains, on the first process alone; an error that it throws ends the run
  ///     without saving.
  /// - Throws: `RunError`, `FileError`; `SampleFault` in a strict run; `DatasetError`; `CommunicatorError`; what `observe` throws.
  public func run(
    shouldStop: () -> Bool = { false }, benchmarks: (() throws -> [BenchmarkRecord])? = nil, observe: (Event) throws -> Void
  ) throws -> Ending {
    if benchmarks == nil, !configuration.validation.benchmarks.isEmpty {
      throw ConfigurationProblem.keys(["validation.benchmarks is given, but this program asks none; train with epic train"])
    }
    let events = configuration.log.tensorboard && world.isFirst ? try EventFile(in: folder.events) : nil
    func tell(_ event: Event) throws { if world.isFirst { try observe(event) } }
    var isStopped = false
    while step < steps, !isExhausted {
      isStopped = try world.maximum(shouldStop() ? 1 : 0) == 1
      if isStopped { break }
      let trace = configuration.log.trace == step + 1 ? folder.trace(step: step + 1, rank: world.rank) : nil
      let outcome = Result { if let trace { try traced(to: trace, takeStep) } else { try takeStep() } }
      if world.count == 1 { for fault in skipLog.takeNew() { try tell(.skipped(fault)) } }
      var record = try outcome.get()
      if world.count > 1 { for fault in try takeFaults() { try tell(.skipped(fault)) } }
      if isMeasured(after: step) {
        record.validation = try validate()
        record.benchmarks = try withoutGradient { try benchmarks?() }
      }
      let isBest = noteBest(record)
      try metrics?.append(record)
      try events?.append(record.scalars, step: record.step)
      try tell(.step(record))
      let isDue = configuration.checkpoints.every.map { step % $0 == 0 } ?? false
      if isDue || isBest, step < steps { try tell(.checkpoint(save())) }
    }
    try tell(.checkpoint(save()))
    let ending = isStopped ? Ending.stopped : step < steps ? .stoppedEarly : .complete
    try tell(.finished(ending))
    return ending
  }

  /// Samples that some process skipped since the last call, in the order of processes; the first one lists them.
  private func takeFaults() throws -> [SampleFault] {
    let all = try world.gathered(skipLog.takeNew())
    if world.isFirst {
      for fault in all.dropFirst().joined() { try skipLog.append(fault) }
      _ = skipLog.takeNew()
    }
    return all.flatMap(\.self)
  }
}
