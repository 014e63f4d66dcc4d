import Basics
import Compression
import Distillation
import Foundation
import LLaVA
import Language
import Torch
import Video

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
  }

  /// What the run does, everything filled in.
  public let configuration: TrainingConfiguration
  /// What is trained.
  public let model: LLaVAModel
  /// Where the run keeps its files.
  public let folder: RunFolder
  /// Optimizer steps in all.
  public let steps: Int
  /// Completed ones.
  public private(set) var step: Int
  /// Samples of the data set, broken ones included.
  public let samples: Int
  /// Broken samples met so far, by code.
  public var skipped: [SampleFault.Code: Int] { skipLog.counts }
  /// One sentence where the model's own chat template is not followed.
  public let templateNote: String?
  /// Elements of the weights that are trained.
  public let trainedElements: Int

  let optimizer: AdamW
  let distill: DistillationStep
  /// What every step drops where no curriculum says it.
  let fixedPlan: CompressionPlan?
  private(set) var curriculum: (any Curriculum)?
  /// The model that training began with, where it is the teacher.
  let frozen: LLaVAModel?
  private let cost: StepCost
  private let schedule: LearningRateSchedule
  private let loader: DataLoader
  private let skipLog: SkipLog
  private let origin: ModelFingerprint
  private let metrics: MetricsLog
  private var data: DataState
  private var seconds: Double

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
  ///   - progress: is called with the share of the data file that has been read.
  /// - Throws: `ConfigurationProblem`, `RunError`, `DatasetError`, `FileError`, and what reading a checkpoint throws.
  public init(_ given: TrainingConfiguration, resume: Bool = false, progress: (Double) -> Void = { _ in }) throws {
    let start = URL(fileURLWithPath: given.model)
    // Before anything is read or written: what is missing in the configuration.
    let known = given.model.isEmpty ? nil : try CheckpointReader(start).configuration
    let architecture = try known ?? .preset("tiny")
    let configuration = try given.resolved(for: architecture, template: Self.templateName(given, known, start, resume: resume))
    if let threads = configuration.threads { Runtime.threads = threads }
    let device = try Device(name: configuration.device)
    let folder = RunFolder(URL(fileURLWithPath: configuration.output))
    let newest = folder.checkpoints.last
    if !resume, try newest != nil || folder.hasMetrics { throw RunError.exists(folder: configuration.output) }
    let yaml = Data(try configuration.yaml().utf8)
    if newest == nil, !FileManager.default.fileExists(atPath: folder.metrics.path) { try folder.requireFree(for: yaml) }
    let state = try newest.map(RunState.read)
    try state?.requireSame(configuration, for: architecture)

    let pipeline = try LLaVAPipeline.load(
      from: start, dtype: configuration.dtype, device: device, template: configuration.data.template)
    templateNote = pipeline.template.trainingNote
    origin = try ModelFingerprint(pipeline, tokenizer: start, .samples)
    try state?.requireSame(origin, in: configuration.model)
    curriculum = try configuration.makeCurriculum(for: pipeline.model.configuration)
    curriculum?.state = state?.curriculum
    let parts = Set(configuration.optimizerOptions.learningRates.keys)
    // Before a checkpoint's weights take the place of those that it is to keep.
    frozen = configuration.curriculum.teacher == .frozen ? try pipeline.model.frozen(training: parts) : nil
    let adapters = configuration.loraOptions
    model = try adapters.map { try pipeline.model.addingLoRA($0, seed: UInt64(configuration.seed)) } ?? pipeline.model
    let trained = try model.parameters.trained(configuration.optimizerOptions)
    optimizer = try AdamW(trained, configuration.optimizerOptions)
    trainedElements = trained.reduce(0) { $0 + $1.tensor.count }
    if let newest {
      // What is trained comes from the optimizer's state, all else is as it was at the start.
      let file = try SafetensorsFile(newest.optimizer)
      try optimizer.restore { name in file.entries[name] == nil ? nil : try file.tensor(name) }
    }

    let dataset = try InstructionDataset(
      contentsOf: URL(fileURLWithPath: configuration.data.file),
      images: configuration.data.images.map { URL(fileURLWithPath: $0, isDirectory: true) }, limit: configuration.data.limit,
      progress: progress)
    samples = dataset.count
    let options = TextOptions(
      template: pipeline.template, semantics: configuration.semantics == .corrected ? .corrected : .reference,
      visualTokens: model.pictureLayout.count, maximumLength: configuration.data.maximumLength)
    let preparer = try SamplePreparer(
      dataset, tokenizer: pipeline.tokenizer, preprocessor: pipeline.preprocessor, options: options,
      media: MediaReading(
        model.configuration,
        videos: pipeline.videos.map {
          VideoReading(
            $0, sampling: FrameSampling(fps: configuration.data.fps, maximumFrames: configuration.data.maximumFrames))
        }),
      layout: Self.varyingLayout(model.configuration))
    steps = configuration.steps ?? Self.steps(of: configuration, samples: dataset.count)
    try folder.prepare()
    metrics = try MetricsLog(folder.metrics, from: state?.step ?? 0)
    // No other run has the folder now, so what lies there half done was left by one that was killed.
    try PartialName.sweep(folder.url)
    skipLog = try SkipLog(folder.skipped, continuing: state != nil)
    data = state?.data ?? DataState(plan: configuration.plan, fingerprint: dataset.fingerprint, cursor: SampleCursor())
    loader = try DataLoader(
      preparer, resuming: data, workers: configuration.data.workers, ahead: configuration.data.ahead, skipLog: skipLog,
      strict: configuration.data.isStrict)

    cost = StepCost(model, training: parts, recomputes: configuration.distillation.recomputesActivations)
    fixedPlan = try configuration.fixedPlan()
    distill = try DistillationStep(model, configuration.reducer(), configuration.distillationOptions)
    schedule = try LearningRateSchedule(
      configuration.optimizer.schedule, steps: steps, warmupRatio: configuration.optimizer.warmupRatio,
      decayRatio: configuration.optimizer.decayRatio)
    step = state?.step ?? 0
    seconds = state?.seconds ?? 0
    self.configuration = configuration
    self.folder = folder
    try WholeFile.write(yaml, to: folder.configuration)
  }

  deinit { loader.cancel() }

  private static func steps(of configuration: TrainingConfiguration, samples: Int) -> Int {
    let batches = (samples + configuration.batch.samples - 1) / configuration.batch.samples
    return max(1, Int((Double(batches) * configuration.epochs / Double(configuration.batch.accumulation)).rounded(.up)))
  }

  /// Trains to the end, unobserved.
  ///
  /// - Throws: as `run(shouldStop:observe:)`.
  @discardableResult
  public func run() throws -> Ending { try run { _ in } }

  /// Trains to the end, or until it is asked to stop; then saves.
  ///
  /// - Parameters:
  ///   - shouldStop: is asked before every step; where it says so, the run saves and ends.
  ///   - observe: is told what happens, on the thread that trains; an error that it throws ends the run without saving.
  /// - Throws: `RunError`, `FileError`; `SampleFault` in a strict run; `DatasetError`; what `observe` throws.
  public func run(shouldStop: () -> Bool = { false }, observe: (Event) throws -> Void) throws -> Ending {
    let events = configuration.log.tensorboard ? try EventFile(in: folder.events) : nil
    var isStopped = false
    while step < steps {
      isStopped = shouldStop()
      if isStopped { break }
      let outcome = Result { try takeStep() }
      for fault in skipLog.takeNew() { try observe(.skipped(fault)) }
      let record = try outcome.get()
      try metrics.append(record)
      try events?.append(record.scalars, step: record.step)
      try observe(.step(record))
      if let every = configuration.checkpoints.every, step % every == 0, step < steps { try observe(.checkpoint(save())) }
    }
    try observe(.checkpoint(save()))
    let ending = isStopped ? Ending.stopped : .complete
    try observe(.finished(ending))
    return ending
  }

  /// Writes a checkpoint of where the run stands; an existing one is left as it is.
  @discardableResult
  public func save() throws -> RunFolder.Checkpoint {
    // What was logged until here is not made again, so it has to be there as long as the checkpoint is.
    try metrics.sync()
    try skipLog.sync()
    let state = RunState(
      step: step, steps: steps, data: data, seconds: seconds, configuration: RunState.values(configuration), model: origin,
      curriculum: curriculum?.state)
    return try folder.write(
      model, optimizer, state, companions: URL(fileURLWithPath: configuration.model), keep: configuration.checkpoints.keep)
  }

  /// One optimizer step over as many micro-batches as the configuration says.
  func takeStep() throws -> StepRecord {
    let clock = ContinuousClock()
    let start = clock.now
    let batches = try (0..<configuration.batch.accumulation).compactMap { _ in try loader.next() }
    let dataSeconds = (clock.now - start) / .seconds(1)
    let tokens = batches.reduce(0) { $0 + $1.supervisedTokens }
    let planned = planned(after: step)
    var sums = StepSums()
    for (index, batch) in batches.enumerated() {
      let drawn = draw(planned, batch, micro: index)
      let samples = try batch.samples.map { try trainingSample($0, epoch: batch.start.epoch) }
      let isWeighted = configuration.optimizer.weighting == .tokens
      let loss: DistillationLoss
      do {
        loss = try self.loss(samples, drawn, tokens: isWeighted ? tokens : nil)
      } catch CompressionError.notFinite {
        throw try notFinite("what the decoder computes", batches)
      }
      let share = isWeighted ? 1 : 1 / Double(batches.count)
      try sums.add(
        loss, drawn, batch, visual: model.pictureLayout.count, weight: distill.options.divergenceWeight,
        flops: cost.flops(of: loss.shape), share: share)
      if !sums.loss.isFinite { throw try notFinite("the loss", batches) }
      if loss.total.requiresGradient { try (share == 1 ? loss.total : loss.total * share).backward() }
    }
    let factor = schedule.factor(at: step)
    let norm: Double
    do {
      norm = try optimizer.step(factor: factor)
    } catch OptimizationError.gradientNotFinite(let parameter) {
      throw try notFinite("the gradient of \(parameter)", batches)
    }
    try optimizer.clearGradients()
    curriculum?.observe(sums.observed, step: step)
    step += 1
    if let last = batches.last { data = loader.state(after: last) }
    let taken = (clock.now - start) / .seconds(1)
    seconds += taken
    let rates = configuration.optimizerOptions.learningRates
    return sums.record(
      step: step, epoch: Double(data.cursor.epoch) + Double(data.cursor.position) / Double(max(1, samples)), gradientNorm: norm,
      learningRate: factor * (rates[.decoder] ?? rates[.adapter] ?? rates[.projector] ?? rates[.tower] ?? 0),
      curriculum: curriculum?.state, seconds: taken, dataSeconds: dataSeconds)
  }

  /// Lists the samples of a step that went wrong.
  private func notFinite(_ what: String, _ batches: [SampleBatch]) throws -> RunError {
    struct Listed: Encodable {
      let index: Int
      let id: String?
    }
    let url = folder.url.appending(path: "failed-step-\(step + 1).json")
    let listed = batches.map { $0.samples.map { Listed(index: $0.index, id: $0.id) } }
    try WholeFile.write(json: listed, to: url)
    return .notFinite(step: step + 1, what: what, batch: url.relativePath)
  }
}
