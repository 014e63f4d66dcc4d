import Basics
import Compression
import Distillation
import Imaging
import LLaVA
import Torch
import Video

/// What a step of a run computes: its branches, what each of them sees, and the samples as the loss takes them.
extension TrainingRun {
  /// The loss of a micro-batch.
  ///
  /// - Parameter tokens: supervised tokens of all micro-batches, where it weighs by its own; nil where all weigh the same.
  func loss(_ samples: [TrainingSample], _ drawn: DrawnStep, tokens: Int?) throws -> DistillationLoss {
    guard let fixedPlan else { return try distill(samples, drawn, frozen: frozen, tokens: tokens) }
    let student = Student(plans: [fixedPlan], crossEntropyWeight: 1, divergenceWeight: 0)
    return try distill(samples, students: [student], tokens: tokens)
  }

  /// Which compressor chooses tokens in the step that comes next.
  ///
  /// It follows from seed and step alone, so it is the same in all micro-batches and processes, and in a run that goes on.
  var turn: Int {
    var turns = SplitMix64(seed: UInt64(configuration.seed) ^ 0x7475_726e, stream: UInt64(step))
    return Int(turns.next() % UInt64(distills.count))
  }

  /// The step that comes next, with that compressor.
  var distill: DistillationStep { distills[turn] }

  /// The branches of the step that follows `step` completed ones; one that drops nothing where there is no curriculum.
  func planned(after step: Int) -> PlannedStep {
    curriculum?.branches(step: step, of: steps)
      ?? PlannedStep(PlannedStage(layer: model.configuration.text.layers, studentRatios: 0...0, gap: 0))
  }

  /// What each branch sees: once for the batch, or for each sample.
  ///
  /// Draws follow from seed, step and place alone.
  func draw(_ planned: PlannedStep, _ batch: SampleBatch, micro: Int) -> DrawnStep {
    let places = configuration.curriculum.draws == .sample ? Array(batch.samples.indices) : [0]
    var generators = places.map { sample in
      var place = SplitMix64(seed: UInt64(configuration.seed), stream: UInt64(step))
      return SplitMix64(seed: place.next(), stream: UInt64(micro << 20 | sample))
    }
    return planned.draw(&generators)
  }

  /// A sample as the loss takes it; its random choices follow from seed, epoch and its place in the file.
  func trainingSample(_ sample: Sample, epoch: Int) throws -> TrainingSample {
    var place = SplitMix64(seed: UInt64(configuration.seed) ^ 0x5eed, stream: UInt64(epoch))
    var generator = SplitMix64(seed: place.next(), stream: UInt64(sample.index))
    return TrainingSample(
      ids: sample.ids, labels: sample.labels, pictures: try sample.pictures.map { try $0.moved(to: model.device) },
      seed: generator.next())
  }
}

extension TrainingConfiguration {
  /// How pictures that are trained on change; nil where they stay as they are.
  var augmentation: PictureAugmentation? {
    data.augment.isEmpty ? nil : PictureAugmentation(data.augment, seed: UInt64(seed))
  }

  /// What people should know of pictures that change; nil where there is nothing.
  var augmentationNote: String? {
    if data.augment.isEmpty { return nil }
    let usesLabels = curriculum.teacher != .frozen || distillationOptions.divergenceWeight < 1
    if !usesLabels { return nil }
    return "data.augment changes pictures, and labels are about the pictures as they were (left and right, colours, words); "
      + "curriculum.teacher: frozen with distillation.divergence-weight: 1 uses no labels"
  }

  /// Order and batches of the data, for so many processes.
  func plan(for processes: Int) -> BatchPlan {
    let order: SampleOrder.Rule =
      data.isGrouped ? .grouped(chunks: batch.accumulation * processes, size: batch.samples) : .shuffled
    return BatchPlan(
      order: SampleOrder(order, seed: UInt64(seed)), batch: batch.tokens.map(BatchRule.tokens) ?? .samples(batch.samples))
  }
}

extension SamplePreparer {
  /// Samples as a run sees them.
  ///
  /// - Parameter augmentation: changes pictures; nil for samples that are not trained on.
  init(
    _ dataset: InstructionDataset, _ run: TrainingConfiguration, _ pipeline: LLaVAPipeline, for model: LLaVAConfiguration,
    augmentation: PictureAugmentation? = nil
  ) throws {
    let options = TextOptions(
      template: pipeline.template, semantics: run.semantics == .corrected ? .corrected : .reference,
      visualTokens: model.pictureLayout.count, maximumLength: run.data.maximumLength)
    let sampling = FrameSampling(fps: run.data.fps, maximumFrames: run.data.maximumFrames)
    // The tokens of a picture, where pictures vary.
    var layout: (@Sendable (PictureShape) -> TokenLayout)?
    if model.picturesVary { layout = { model.layout(of: $0) } }
    try self.init(
      dataset, tokenizer: pipeline.tokenizer, preprocessor: pipeline.preprocessor, options: options,
      media: MediaReading(model, videos: pipeline.videos.map { VideoReading($0, sampling: sampling) }), layout: layout,
      augmentation: augmentation)
  }
}
