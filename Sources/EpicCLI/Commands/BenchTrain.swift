import ArgumentParser
import Basics
import Compression
import Distillation
import Foundation
import Language
import LLaVA
import Torch
import Training

/// Training steps on random data, with random weights of a preset's size, or with a checkpoint's.
struct BenchTrain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Measure distillation steps, the optimizer's work included; weights are random unless --model names some.",
    discussion: """
      A sample is one token, one picture of noise, and random text, whose last tokens are supervised. Projector and decoder are trained, \
      the tower is not, as in `epic train`. One step that is not counted comes first; times are medians.
      """)

  @Option(help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")).")
  var preset = "base"

  @Option(help: ArgumentHelp("Train this checkpoint, in memory alone, in place of a preset.", valueName: "dir"))
  var model: String?

  @Option(help: "Samples of a step.")
  var batch = 4

  @Option(help: "Text tokens of a sample, beside its picture's.")
  var text = 64

  @Option(help: "Supervised tokens at the end of a sample; half of its text unless given.")
  var supervised: Int?

  @Option(help: "Strategy that chooses tokens: dart, fastv, random, uniform.")
  var compressor = "dart"

  @Option(help: ArgumentHelp("Decoder layers before the cut.", valueName: "k"))
  var layer = 2

  @Option(help: ArgumentHelp("Share of the visual tokens that the student loses.", valueName: "r"))
  var studentRatio = 0.7

  @Option(help: ArgumentHelp("Share of the visual tokens that the teacher loses.", valueName: "r"))
  var teacherRatio = 0.5

  @Option(help: "Steps that are counted.")
  var steps = 3

  @Option(help: "Learning rate, of projector and decoder.")
  var learningRate = 2e-5

  @Flag(help: "Compute activations again in place of keeping them.")
  var recompute = false

  @Option(help: "Where random weights and data start.")
  var seed: UInt64 = 0

  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    _ = try checkOption("--preset") { try LLaVAConfiguration.preset(preset) }
    for (name, value, range) in [
      ("batch", batch, 1...1 << 16), ("text", text, 3...1 << 20), ("steps", steps, 1...1 << 20),
      // The token before the picture, and one after it that predicts the first supervised one, are not.
      ("supervised", supervised ?? 1, 1...max(1, text - 2)),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
    for (name, value) in [("student-ratio", studentRatio), ("teacher-ratio", teacherRatio)] where !(0...1).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 0...1")
    }
    if teacherRatio > studentRatio {
      throw ValidationError("--teacher-ratio is \(teacherRatio), expected at most --student-ratio, \(studentRatio)")
    }
    if !(learningRate.isFinite && learningRate >= 0) {
      throw ValidationError("--learning-rate is \(learningRate), expected 0 or more")
    }
    _ = try reducer()
  }

  private func reducer() throws -> any TokenReducer {
    try checkOption("--compressor") { try ReducerRegistry.standard.reducer(compressor) }
  }

  func run() async throws {
    let configuration = try LLaVAConfiguration.of(preset: preset, checkpoint: model)
    let layers = configuration.text.layers
    if !(1...layers).contains(layer) { throw ValidationError("--layer is \(layer), expected 1...\(layers)") }
    let device = try compute.prepare()
    let dtype = compute.dtype ?? .bfloat16
    let llava =
      try model.map { try LLaVAModel.load(from: URL(fileURLWithPath: $0), dtype: dtype, device: device) }
      ?? LLaVAModel.random(configuration, seed: seed, dtype: dtype, device: device)
    var options = DistillationOptions()
    options.recomputesActivations = recompute
    let distill = try DistillationStep(llava, reducer(), options)
    var rates = AdamWOptions()
    rates.learningRates = [.projector: learningRate, .decoder: learningRate]
    let optimizer = try AdamW(llava.parameters.trained(rates), rates)
    let samples = try TrainingSample.random(
      configuration, count: batch, text: text, supervised: supervised ?? text / 2, seed: seed)
    let stage = Stage(layer: layer, studentRatio: studentRatio, teacherRatio: teacherRatio)
    var timed: [StepTimes] = []
    for _ in 0...steps {
      timed.append(try StepTimes.measure(samples.map { try $0.moved(to: device) }, stage, distill, optimizer))
    }
    let report = TrainingTimesReport(timed, samples: batch)
    if json { return try printJSON(report) }
    try printLine(
      String(
        format: "%.3f s per step (forward %.3f, backward %.3f, optimizer %.3f), %.2f samples/s, loss %.4f, peak memory %@",
        report.secondsPerStep, report.secondsForward, report.secondsBackward, report.secondsOptimizer, report.samplesPerSecond,
        report.loss, formatBytes(report.peakMemoryBytes)))
  }
}

/// How long the parts of a step took, and its loss.
struct StepTimes {
  let forward, backward, optimizer, loss: Double

  /// Takes a step, gradients cleared included.
  static func measure(
    _ samples: [TrainingSample], _ stage: Stage, _ distill: DistillationStep, _ optimizer: AdamW
  ) throws -> StepTimes {
    let clock = ContinuousClock()
    let start = clock.now
    let loss = try distill(samples, stages: [stage]).total
    // Reading the number waits for a device that computes by itself.
    let value = try loss.item()
    let forward = clock.now
    try loss.backward()
    let backward = clock.now
    try optimizer.step(factor: 1)
    try optimizer.clearGradients()
    return StepTimes(
      forward: (forward - start) / .seconds(1), backward: (backward - forward) / .seconds(1),
      optimizer: (clock.now - backward) / .seconds(1), loss: value)
  }

  var total: Double { forward + backward + optimizer }
}

/// What `epic bench train --json` prints; times are medians over the counted steps.
struct TrainingTimesReport: Encodable {
  let secondsPerStep, samplesPerSecond: Double
  /// On a device that computes by itself the backward pass may end within the optimizer's time.
  let secondsForward, secondsBackward, secondsOptimizer: Double
  /// Of the last step, and of all, the first one that is not counted included.
  let loss: Double
  let losses: [Double]
  let peakMemoryBytes: Int

  init(_ steps: [StepTimes], samples: Int) {
    let counted = steps.dropFirst()
    func median(_ value: (StepTimes) -> Double) -> Double { Basics.median(counted.map(value)) }
    secondsPerStep = median(\.total)
    samplesPerSecond = Double(samples) / secondsPerStep
    (secondsForward, secondsBackward, secondsOptimizer) = (median(\.forward), median(\.backward), median(\.optimizer))
    losses = steps.map(\.loss)
    loss = losses.last ?? .nan
    peakMemoryBytes = EpicCLI.peakMemoryBytes()
  }
}

extension TrainingSample {
  /// Samples of one token, a picture of noise and random text.
  static func random(
    _ configuration: LLaVAConfiguration, count: Int, text: Int, supervised: Int, seed: UInt64
  ) throws -> [TrainingSample] {
    let vocabulary = min(configuration.text.vocabularySize, 32_000)
    let generator = try Generator(seed: seed)
    let ids = try Tensor.randint(min(3, vocabulary - 1)..<vocabulary, [count, text], generator: generator)
    let pixels = try Tensor.randn([count] + configuration.pictureShape, generator: generator)
    return try (0..<count).map { index in
      let words = try ids.selected(0, index).array(Int.self)
      let all = [words[0], imagePlaceholderID] + words.dropFirst()
      let labels = Array(repeating: ignoredLabel, count: all.count - supervised) + all.suffix(supervised)
      return TrainingSample(ids: all, labels: labels, images: [try pixels.selected(0, index)], seed: seed &+ UInt64(index))
    }
  }

  func moved(to device: Device) throws -> TrainingSample {
    var sample = self
    sample.images = try images.map { try $0.to(device) }
    return sample
  }
}
