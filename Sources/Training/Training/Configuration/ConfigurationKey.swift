import Compression
import Distillation
import LLaVA
import Torch
import Video
import Yams

/// A field of a training configuration by the name that files and `--set` use.
public struct ConfigurationKey: Sendable {
  /// Sections and name with points between them: `batch.samples`.
  public let path: String
  /// What it means, in half a sentence.
  public let help: String
  /// What is wrong with the value that a configuration has.
  let problem: @Sendable (TrainingConfiguration) -> String?
  /// Reads a value; returns what is wrong with it.
  let read: @Sendable (Node, inout TrainingConfiguration) -> String?
  /// The value as it is written.
  let write: @Sendable (TrainingConfiguration) -> Node

  init<Value: ConfigurationValue>(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Value> & Sendable, _ help: String
  ) {
    self.init(path, field, help, "") { _ in true }
  }

  /// - Parameters:
  ///   - expected: which values are good, in words.
  ///   - isGood: whether one is.
  init<Value: ConfigurationValue>(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Value> & Sendable, _ help: String, _ expected: String,
    _ isGood: @escaping @Sendable (Value) -> Bool
  ) {
    self.path = path
    self.help = help
    read = { node, configuration in
      let shown = node.scalar?.string ?? "a \(node.mapping == nil ? "list" : "section")"
      guard let value = Value(node: node) else { return "is \(shown), expected \(Value.expectation)" }
      guard isGood(value) else { return "is \(shown), expected \(expected)" }
      configuration[keyPath: field] = value
      return nil
    }
    write = { $0[keyPath: field].node }
    problem = { configuration in
      let value = configuration[keyPath: field]
      return isGood(value) ? nil : "is \(value.node.scalar?.string ?? "\(value)"), expected \(expected)"
    }
  }

  /// The value that a configuration has, as YAML.
  public func value(in configuration: TrainingConfiguration) -> String {
    // Every node that a key writes can be serialised; of one that could not there would be nothing to show.
    ((try? Yams.serialize(node: write(configuration), width: -1)) ?? "").split(separator: "\n").first.map(String.init) ?? ""
  }
}

extension ConfigurationKey {
  static func key<V: ConfigurationValue>(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, V> & Sendable, _ help: String
  ) -> ConfigurationKey { ConfigurationKey(path, field, help) }

  static func count(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Int> & Sendable, _ help: String, from low: Int = 1
  ) -> ConfigurationKey {
    ConfigurationKey(path, field, help, "\(low)...\(1 << 30)") { (low...1 << 30).contains($0) }
  }

  static func count(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Int?> & Sendable, _ help: String, from low: Int = 1
  ) -> ConfigurationKey {
    ConfigurationKey(path, field, help, "\(low)...\(1 << 30)") { $0.map { (low...1 << 30).contains($0) } ?? true }
  }

  private static func rate(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Double?> & Sendable, _ help: String
  ) -> ConfigurationKey {
    ConfigurationKey(path, field, help, "0 or more") { $0.map { $0 >= 0 && $0.isFinite } ?? true }
  }

  static func share(
    _ path: String, _ field: WritableKeyPath<TrainingConfiguration, Double?> & Sendable, _ help: String
  ) -> ConfigurationKey {
    ConfigurationKey(path, field, help, "0...1") { $0.map { (0...1).contains($0) } ?? true }
  }

  /// All keys, in the order in which they are written.
  ///
  /// A run that was begun before a key came goes on with the key's default, so that has to be what was done before.
  public static let all: [ConfigurationKey] =
    [
      key("model", \.model, "checkpoint that training starts from: a folder, or org/name[@revision] on the hub"),
      key("output", \.output, "folder for checkpoints, metrics and logs"),
      key("stage", \.stage, "tune (projector and decoder), or pretrain (the projector alone, template plain)"),
      key(
        "preset", \.preset, "where constants come from: epic-paper, epic-code or epic-nested; the curriculum's own unless given"),
      key("semantics", \.semantics, "corrected, or reference for what the released code does"),
      count("steps", \.steps, "optimizer steps; else as many as `epochs` has"),
      ConfigurationKey("epochs", \.epochs, "times through the data", "a number above 0") { $0 > 0 && $0 <= 1e6 },
      ConfigurationKey("dtype", \.dtype, "precision of the weights; masters, moments and losses are float32", DType.expectation) {
        [.float32, .bfloat16, .float16].contains($0)
      },
      ConfigurationKey(
        "bits", \.bits, "hold the decoder's weights in 8 or 4 bits while adapters are trained (lora.rank)", "4 or 8"
      ) {
        $0.map { [4, 8].contains($0) } ?? true
      },
      key("device", \.device, "cpu, cuda or cuda:N"),
      count("threads", \.threads, "CPU threads; all cores unless given"),
      count("seed", \.seed, "where random numbers start", from: 0),
      key(
        "distributed.shard", \.distributed.shard,
        "what several processes divide: none, optimizer (masters and moments), or full (all weights too)"),
      ConfigurationKey(
        "distributed.timeout", \.distributed.timeout, "seconds that one of several processes may keep the others waiting",
        "1...86400"
      ) {
        (1...86_400).contains($0)
      },
    ] + data + curriculum + method + weights

  private static let data: [ConfigurationKey] = [
    key("data.file", \.data.file, "JSON, JSON lines, or tar shards: one, a folder, or shard-{0000..0009}.tar"),
    key("data.images", \.data.images, "folder of the pictures; the file's own unless given, none for shards"),
    ConfigurationKey(
      "data.sources", \.data.sources, "several files in place of data.file: [{file, images, weight}]; weight 2 takes all twice",
      "a list that is not empty, with a file each and weights above 0, 100 at most"
    ) {
      $0.map { !$0.isEmpty && $0.allSatisfy { $0.fault == nil } } ?? true
    },
    count("data.limit", \.data.limit, "the first so many records of each file alone; all unless given"),
    key("data.template", \.data.template, "conversation template; the model's own (plain to pretrain) unless given"),
    count("data.max-length", \.data.maximumLength, "longest sample, visual tokens included"),
    ConfigurationKey("data.fps", \.data.fps, "frames of a video's second that are looked at", "above 0, 1000 at most") {
      FrameSampling(fps: $0).fault == nil
    },
    ConfigurationKey("data.max-frames", \.data.maximumFrames, "most frames of a video", "1...\(FrameSampling.limit)") {
      FrameSampling(maximumFrames: $0).fault == nil
    },
    key(
      "data.augment", \.data.augment,
      "random changes of the pictures: horizontal-flip, vertical-flip, rotate90, channel-shuffle; for training without labels"),
    ConfigurationKey("data.workers", \.data.workers, "threads that read ahead", "1...256") { (1...256).contains($0) },
    count("data.ahead", \.data.ahead, "samples that are read ahead"),
    key("data.grouped", \.data.isGrouped, "batches of one kind, with balanced lengths, as LLaVA's"),
    key("data.strict", \.data.isStrict, "end at the first broken sample"),
    key("validation.file", \.validation.file, "samples that are not trained on, whose loss is measured; as data.file"),
    key("validation.images", \.validation.images, "folder of their pictures; the file's own unless given"),
    count("validation.limit", \.validation.limit, "the first so many of them alone; all unless given"),
    count("validation.every", \.validation.every, "steps between two measurements; only at the end unless given"),
    key("validation.reduce", \.validation.reduce, "plans to measure beside all tokens, such as ['dart:64@2', 'dart:16@2']"),
    key("validation.benchmarks", \.validation.benchmarks, "benchmarks to ask at the same steps and plans, such as [pope, gqa]"),
    key("validation.benchmark-data", \.validation.benchmarkData, "folder with one folder for each, as epic eval --data"),
    count("validation.questions", \.validation.questions, "about so many questions of each, spread over it; all unless given"),
    count("batch.samples", \.batch.samples, "samples of a micro-batch"),
    count("batch.tokens", \.batch.tokens, "rows of a micro-batch, visual tokens included, in place of `batch.samples`"),
    count("batch.accumulation", \.batch.accumulation, "micro-batches of a step"),
  ]

  private static let weights: [ConfigurationKey] = [
    key("optimizer.parts", \.optimizer.parts, "what is trained, of tower, projector, decoder and adapter"),
    rate("optimizer.learning-rate", \.optimizer.learningRate, "2e-5, 2e-4 with adapters, or 1e-3 to pretrain, unless given"),
    rate("optimizer.projector-learning-rate", \.optimizer.projectorLearningRate, "of the projector; 2e-5 with adapters"),
    rate("optimizer.tower-learning-rate", \.optimizer.towerLearningRate, "of the tower, where it differs"),
    rate("optimizer.embedding-learning-rate", \.optimizer.embeddingLearningRate, "of the token embeddings, where it differs"),
    key("optimizer.schedule", \.optimizer.schedule, "cosine, linear, constant, or constant-decay (linear at its end)"),
    ConfigurationKey("optimizer.warmup-ratio", \.optimizer.warmupRatio, "share of the steps with a rising rate", "0...1") {
      (0...1).contains($0)
    },
    ConfigurationKey("optimizer.decay-ratio", \.optimizer.decayRatio, "share of the steps in which constant-decay falls", "0...1")
    {
      (0...1).contains($0)
    },
    ConfigurationKey("optimizer.beta1", \.optimizer.beta1, "of AdamW", "0 to below 1") { (0..<1).contains($0) },
    ConfigurationKey("optimizer.beta2", \.optimizer.beta2, "of AdamW", "0 to below 1") { (0..<1).contains($0) },
    ConfigurationKey("optimizer.epsilon", \.optimizer.epsilon, "of AdamW", "a number above 0") { $0 > 0 && $0.isFinite },
    ConfigurationKey("optimizer.weight-decay", \.optimizer.weightDecay, "not for norms and biases", "0 or more") {
      $0 >= 0 && $0.isFinite
    },
    ConfigurationKey("optimizer.max-grad-norm", \.optimizer.maximumGradientNorm, "clip larger gradients to it", "above 0") {
      $0.map { $0 > 0 && $0.isFinite } ?? true
    },
    key("optimizer.weighting", \.optimizer.weighting, "micro-batches weigh by their tokens, or are batches of equal weight"),
    count("lora.rank", \.lora.rank, "train adapters of this rank in place of the decoder's own weights"),
    ConfigurationKey("lora.alpha", \.lora.alpha, "their change counts α/rank times; twice the rank unless given", "above 0") {
      $0.map { $0 > 0 && $0.isFinite } ?? true
    },
    key("lora.targets", \.lora.targets, "linear layers with adapters; all unless given"),
    count("checkpoints.every", \.checkpoints.every, "steps between checkpoints; only at the end unless given"),
    count("checkpoints.keep", \.checkpoints.keep, "newest checkpoints that stay"),
    key(
      "checkpoints.best", \.checkpoints.best,
      "keep that of the lowest held-out loss (all, mean, or a plan of validation) or of the highest score (benchmarks for the mean, or one of "
        + "them)"),
    count(
      "checkpoints.patience", \.checkpoints.patience,
      "end where what checkpoints.best names has not improved for so many measurements; never unless given"),
    count("log.every", \.log.every, "steps between lines of the log"),
    key("log.tensorboard", \.log.tensorboard, "write event files for TensorBoard"),
    count(
      "log.trace", \.log.trace,
      "write what each process does in this step, and when, to a trace for Perfetto or chrome://tracing; none unless given"),
  ]
}
