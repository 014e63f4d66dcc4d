import ArgumentParser
import Basics
import Compression
import Distillation
import Foundation
import Language
import Imaging
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

      Example: epic bench train --preset base --batch 8
      """)

  @Option(help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")).")
  var preset = "base"

  @Option(help: .model("Train this, in memory alone, in place of a preset"))
  var model: ModelSource?

  @Option(help: "Samples of a step.")
  var batch = 4

  @Option(help: "Text tokens of a sample, beside its picture's.")
  var textTokens = 64

  @Option(help: "Supervised tokens at the end of a sample; half of its text unless given.")
  var supervised: Int?

  @Option(help: ArgumentHelp("Compressor that chooses tokens: dart, fastv, random, uniform.", valueName: "name"))
  var compressor = "dart"

  @Option(help: ArgumentHelp("Decoder layers before the cut.", valueName: "k"))
  var layer = 2

  @Option(help: ArgumentHelp("Share of the visual tokens that the student loses.", valueName: "r"))
  var studentRatio = 0.7

  @Option(help: ArgumentHelp("Share of the visual tokens that the teacher loses.", valueName: "r"))
  var teacherRatio = 0.5

  @Option(
    help: ArgumentHelp(
      "In place of the ratios: a branch with all tokens, and students with exactly so many that it teaches.", valueName: "list"))
  var budgets: String?

  @Option(help: "With --budgets: steps from one with all tokens to the next; the others' students learn from labels alone.")
  var fullEvery = 1

  @Flag(help: "With --budgets: each branch as a step of its own, gradients added up; the teacher's logits are computed for each.")
  var separate = false

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
      ("batch", batch, 1...1 << 16), ("text-tokens", textTokens, 3...1 << 20), ("steps", steps, 1...1 << 20),
      // The token before the picture, and one after it that predicts the first supervised one, are not.
      ("supervised", supervised ?? 1, 1...max(1, textTokens - 2)), ("full-every", fullEvery, 1...1 << 16),
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
    if let bits = compute.bits {
      throw ValidationError("--bits is \(bits), and the step trains the decoder's weights; leave it out")
    }
    _ = try reducer()
    _ = try counts()
    if budgets == nil, separate || fullEvery != 1 {
      throw ValidationError("--\(separate ? "separate" : "full-every") has no meaning without --budgets")
    }
  }

  /// Budgets from large to small; none for a plain step with all tokens.
  private func counts() throws -> [Int]? {
    try budgets.map { text in
      if text == "none" { return [] }
      return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
        guard let number = Int(part), number >= 1 else {
          throw ValidationError("--budgets is \(text), expected numbers with commas between them, as in 128,64,36, or none")
        }
        return number
      }.sorted(by: >)
    }
  }

  private func reducer() throws -> any TokenReducer {
    try checkOption("--compressor") { try ReducerRegistry.standard.reducer(compressor) }
  }

  func run() async throws {
    let folder = try await model?.folder()
    let configuration = try LLaVAConfiguration.of(preset: preset, checkpoint: folder)
    let layers = configuration.text.layers
    if !(1...layers).contains(layer) { throw ValidationError("--layer is \(layer), expected 1...\(layers)") }
    let line = WaitingLine("measuring")
    defer { line.end() }
    let device = try compute.prepare()
    let dtype = compute.dtype ?? .bfloat16
    let llava =
      try folder.map { try LLaVAModel.load(from: $0, dtype: dtype, device: device) }
      ?? LLaVAModel.random(configuration, seed: seed, dtype: dtype, device: device)
    var options = DistillationOptions()
    options.recomputesActivations = recompute
    let distill = try DistillationStep(llava, reducer(), options)
    var rates = AdamWOptions()
    rates.learningRates = [.projector: learningRate, .decoder: learningRate]
    let optimizer = try AdamW(llava.parameters.trained(rates), rates)
    let samples = try TrainingSample.random(
      configuration, count: batch, text: textTokens, supervised: supervised ?? textTokens / 2, seed: seed)
    let stage = Stage(layer: layer, studentRatio: studentRatio, teacherRatio: teacherRatio)
    let nested = try counts().map {
      try NestedBenchStep(budgets: $0, layer: layer, fullEvery: fullEvery, isSeparate: separate, distill)
    }
    let cost = StepCost(llava, training: Set(rates.learningRates.keys), recomputes: recompute)
    var timed: [StepTimes] = []
    for number in 0...steps * (nested == nil ? 1 : fullEvery) {
      let own = try samples.map { try $0.moved(to: device) }
      timed.append(
        try StepTimes.measure(optimizer, cost) { backward in
          guard let nested else { return try backward(distill(own, stages: [stage])) }
          try nested.run(own, number: number, backward)
        })
    }
    line.end()
    let report = TrainingTimesReport(timed, samples: batch)
    if json { return try printJSON(report) }
    try printLine(
      String(
        format:
          "%.3f s per step (forward %.3f, backward %.3f, optimizer %.3f), %.2f samples/s, %.4g TFLOPs per step, loss %.4f, peak memory %@",
        report.secondsPerStep, report.secondsForward, report.secondsBackward, report.secondsOptimizer, report.samplesPerSecond,
        report.flopsPerStep / 1e12, report.loss, formatBytes(report.peakMemoryBytes)))
  }
}

/// How long the parts of a step took, its loss and its work.
struct StepTimes {
  private(set) var forward = 0.0, backward = 0.0, optimizer = 0.0, loss = 0.0, flops = 0.0
  /// Bytes of live objects that the forward pass left for the backward pass, the most of several losses.
  private(set) var activationBytes = 0

  /// Takes a step, gradients cleared included.
  ///
  /// - Parameter body: computes losses and hands each over, for its backward pass.
  static func measure(
    _ optimizer: AdamW, _ cost: StepCost, _ body: ((DistillationLoss) throws -> Void) throws -> Void
  ) throws -> StepTimes {
    let clock = ContinuousClock()
    var found = StepTimes()
    var start = clock.now
    let live = Runtime.heapBytes.live
    try body { loss in
      // Reading the number waits for a device that computes by itself.
      found.loss += try loss.total.item()
      found.activationBytes = max(found.activationBytes, Runtime.heapBytes.live - live)
      let forward = clock.now
      if loss.total.requiresGradient { try loss.total.backward() }
      found.forward += (forward - start) / .seconds(1)
      found.backward += (clock.now - forward) / .seconds(1)
      found.flops += try cost.flops(of: loss.shape)
      start = clock.now
    }
    try optimizer.step(factor: 1)
    try optimizer.clearGradients()
    found.optimizer = (clock.now - start) / .seconds(1)
    return found
  }

  var total: Double { forward + backward + optimizer }
}

/// A step of several budgets: all in one, or one after the other.
struct NestedBenchStep {
  private let plans: [CompressionPlan]
  private let fullEvery: Int
  private let isSeparate: Bool
  private let distill: DistillationStep

  init(budgets: [Int], layer: Int, fullEvery: Int, isSeparate: Bool, _ distill: DistillationStep) throws {
    plans = try budgets.map { try CompressionPlan(distill.reducer, layer: layer, .keep($0)) }
    (self.fullEvery, self.isSeparate, self.distill) = (fullEvery, isSeparate, distill)
  }

  /// - Parameter number: of the step; all tokens are there in every `fullEvery`th.
  func run(_ samples: [TrainingSample], number: Int, _ backward: (DistillationLoss) throws -> Void) throws {
    let hasFull = number % fullEvery == 0 || plans.isEmpty
    let count = Double(plans.count + (hasFull ? 1 : 0))
    let full = Student(plans: [nil], crossEntropyWeight: 1 / count)
    func student(_ plan: CompressionPlan, _ target: Pull.Target) -> Student {
      let weight = hasFull ? 0.5 : 0
      return Student(
        plans: [plan], crossEntropyWeight: (1 - weight) / count,
        pulls: hasFull ? [Pull(towards: target, weight: weight / count)] : [])
    }
    if !isSeparate {
      let students = (hasFull ? [full] : []) + plans.map { student($0, .student(0)) }
      return try backward(distill(samples, students: students))
    }
    if hasFull { try backward(distill(samples, students: [full])) }
    for plan in plans {
      try backward(distill(samples, students: [student(plan, .teacher)], teacher: hasFull ? Teacher(plans: [nil]) : nil))
    }
  }
}

/// What `epic bench train --json` prints; times are medians over the counted steps.
struct TrainingTimesReport: Encodable {
  let secondsPerStep, samplesPerSecond: Double
  /// On a device that computes by itself the backward pass may end within the optimizer's time.
  let secondsForward, secondsBackward, secondsOptimizer: Double
  /// Of the last step, and of all, the first one that is not counted included.
  let loss: Double
  let losses: [Double]
  /// Floating-point operations of a counted step, a mean.
  let flopsPerStep: Double
  let peakMemoryBytes: Int
  /// What a forward pass leaves in main memory for the backward pass: activations, and gradients that the loss has worked out; of the last step.
  let activationBytes: Int

  init(_ steps: [StepTimes], samples: Int) {
    let counted = steps.dropFirst()
    func median(_ value: (StepTimes) -> Double) -> Double { Basics.median(counted.map(value)) }
    // Steps of several kinds take turns; a mean of a few is what a step takes.
    let kinds = Set(counted.map(\.flops)).count
    secondsPerStep = kinds > 1 ? counted.reduce(0) { $0 + $1.total } / Double(max(1, counted.count)) : median(\.total)
    flopsPerStep = counted.reduce(0) { $0 + $1.flops } / Double(max(1, counted.count))
    samplesPerSecond = Double(samples) / secondsPerStep
    (secondsForward, secondsBackward, secondsOptimizer) = (median(\.forward), median(\.backward), median(\.optimizer))
    losses = steps.map(\.loss)
    loss = losses.last ?? .nan
    peakMemoryBytes = EpicCLI.peakMemoryBytes()
    activationBytes = counted.map(\.activationBytes).last ?? 0
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
    let pictures = try (0..<count).map { _ in try PicturePixels.random(configuration, isAlone: true, generator) }
    return try (0..<count).map { index in
      let words = try ids.selected(0, index).array(Int.self)
      let all = [words[0], imagePlaceholderID] + words.dropFirst()
      let labels = Array(repeating: ignoredLabel, count: all.count - supervised) + all.suffix(supervised)
      return TrainingSample(ids: all, labels: labels, pictures: [pictures[index]], seed: seed &+ UInt64(index))
    }
  }

  func moved(to device: Device) throws -> TrainingSample {
    var sample = self
    sample.pictures = try pictures.map { try $0.moved(to: device) }
    return sample
  }
}
