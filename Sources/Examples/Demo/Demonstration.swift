import Basics
import Distillation
import Evaluation
import Foundation
import LLaVA
import Programs
import Torch

/// What a demonstration is told.
public struct DemoOptions: Sendable {
  /// Pictures to train on; each is met once where it is nil.
  public var train: Int?
  /// Pictures to make choices with; the demonstration makes none.
  public var tune = 1
  /// Pictures to report on, with twelve questions each.
  public var test = 150
  /// Optimizer steps of 16 samples.
  public var steps = 300
  /// Where random numbers start; the models that come along were trained on the pictures of 0.
  public var seed: UInt64 = 100
  /// The curriculum by name.
  public var curriculum = "nested"
  /// λ; 0 trains without a teacher.
  public var divergenceWeight = 0.5
  /// CPU threads; all cores where it is nil.
  public var threads: Int?
  /// Train the model itself first.
  public var isFromScratch = false
  /// The checkpoint that training goes on from; the one that comes along where it is nil.
  public var start: String?
  /// The checkpoint that is compared with; the one that comes along where it is nil.
  public var finished: String?
  /// More arguments of `epic base`, with spaces between them.
  public var baseOptions: String?
  /// Budgets: visual tokens that stay.
  public var keep = [64, 36, 16, 9]

  /// What `epic demo` does unless it is told otherwise.
  public init() {}

  var trainingPictures: Int { train ?? steps * Demonstration.batch }

  /// What changes results, as flags.
  var flags: [String] {
    var words = [
      "--test", "\(test)", "--tune", "\(tune)", "--steps", "\(steps)", "--seed", "\(seed)", "--curriculum", curriculum,
      "--divergence-weight", "\(divergenceWeight)", "--train", "\(trainingPictures)",
    ]
    words += threads.map { ["--threads", "\($0)"] } ?? []
    words += isFromScratch ? ["--from-scratch"] : []
    words += ["--keep", keep.map(String.init).joined(separator: ",")]
    for (name, value) in [("start", start), ("finished", finished), ("base-options", baseOptions)] {
      words += value.map { ["--\(name)", $0] } ?? []
    }
    return words
  }
}

/// What `epic demo` does, step by step.
public struct Demonstration {
  /// Samples of an optimizer step.
  static let batch = 16
  private static let benchmarks = "pope,gqa,vqav2,textvqa"
  private static let compressors = ["dart", "fastv", "random"]
  private static let layer = 1

  private let options: DemoOptions
  private let folder: DemoFolder
  private let state: DemoState
  private let checkpoints: (start: URL, finished: URL)?

  /// Takes a folder for a demonstration, a new one or one to go on with.
  ///
  /// - Throws: `DemoError`; `CheckpointError` for checkpoints that cannot be read, before anything is written; `ProgramError`.
  public init(_ options: DemoOptions, in folder: URL, console: any Console) async throws {
    self.options = options
    checkpoints = try Self.checkpoints(options)
    state = try DemoState.open(folder, options: options.flags)
    self.folder = try await DemoFolder(folder, console)
  }

  /// Where the two checkpoints come from; nil where they are made.
  private static func checkpoints(_ options: DemoOptions) throws -> (start: URL, finished: URL)? {
    if options.isFromScratch { return nil }
    func place(_ given: String?, _ name: String) throws -> URL {
      try given.map { URL(fileURLWithPath: $0) } ?? DemoCheckpoints.folder().appending(path: name)
    }
    let found = (start: try place(options.start, "start"), finished: try place(options.finished, "finished"))
    for url in [found.start, found.finished] { _ = try CheckpointReader(url).configuration }
    return found
  }

  /// Does all steps that are not done.
  ///
  /// - Returns: each step with the seconds that it took; nil where the console asked for an end.
  public func run() async throws -> [(title: String, seconds: Double)]? {
    var steps = DemoSteps(in: folder, state)
    return try await steps.run(self.steps)
  }

  /// The budget that the story is about: the one nearest to a ninth of LLaVA's tokens, as the paper's 64 of 576.
  private var few: Int { options.keep.min { abs($0 - 16) < abs($1 - 16) } ?? 16 }
  /// In float32, as some processors multiply bfloat16 slowly.
  private var computing: [String] { ["--dtype", "f32"] + (options.threads.map { ["--threads", "\($0)"] } ?? []) }

  private func path(_ name: String) -> String { folder.path(name) }

  /// All steps; the estimates are those of two cores.
  private var steps: [DemoSteps.Step] {
    let questions = Double(options.test * 12)
    return [
      .init(name: "model", title: "the model", estimate: checkpoints == nil ? 3600 : 1) { try await model() },
      .init(name: "data", title: "pictures and questions", estimate: 2 + Double(options.trainingPictures) / 900) {
        try await folder.epic([
          "data", "make", "shapes", "--output", path("data"), "--train", "\(options.trainingPictures)", "--tune",
          "\(options.tune)",
          "--test", "\(options.test)", "--seed", "\(options.seed)",
        ])
      },
      .init(name: "show", title: "what it sees", estimate: 3) { try await show() },
      .init(name: "before", title: "how good it is before", estimate: 3 + questions / 34) { try await evaluateBefore() },
      .init(name: "train", title: "training", estimate: 3 + Double(options.steps) * 0.45) { try await train() },
      .init(name: "after", title: "how good it is after", estimate: 3 + questions / 45) {
        try await evaluate("trained", into: "evaluation-after")
      },
      .init(name: "pictures", title: "eight pictures", estimate: 2) { try pictures() },
      .init(name: "report", title: "the report", estimate: 1, isRepeated: true) {
        try await folder.epic([
          "report", path("evaluation-before"), path("evaluation-after"), path("run"), path("pictures"), "--data",
          path("data/test"),
          "--output", folder.url.relativePath,
        ])
      },
    ]
  }

  // MARK: - Steps

  private func model() async throws -> Bool {
    guard let checkpoints else {
      let more = (options.baseOptions ?? "").split(separator: " ").map(String.init)
      // The seed of those that come along: the demonstration's own pictures are others.
      let isDone = try await folder.epic(["base", "--output", path("base")] + Array(computing.dropFirst(2)) + more)
      if !isDone { return false }
      for name in ["start", "finished"] { try link(name, to: "base/\(name)") }
      return true
    }
    for (name, source) in [("start", checkpoints.start), ("finished", checkpoints.finished)] {
      try folder.copy(checkpoint: source, to: name)
    }
    return try await folder.epic(["inspect", path("start")])
  }

  private func link(_ name: String, to target: String) throws {
    try folder.console.line("$ \(shellLine(["ln", "-sfn", target, path(name)]))")
    try demoFile(folder.url.appending(path: name)) { url in
      let files = FileManager.default
      // A link is what this step made before; anything else stays, and is an error.
      if (try? files.destinationOfSymbolicLink(atPath: url.path)) != nil { try files.removeItem(at: url) }
      try files.createSymbolicLink(atPath: url.path, withDestinationPath: target)
    }
  }

  private func show() async throws -> Bool {
    let data = folder.url.appending(path: "data/test")
    let references = try DemoReferences(data)
    for (name, place) in [("gqa", 0), ("vqav2", 1), ("textvqa", 2)] {
      let benchmark = try BenchmarkRegistry.load(name, from: data)
      let question = benchmark.questions[min(place, benchmark.questions.count - 1)]
      guard let picture = question.image?.file else { continue }
      let ask = [
        "generate", "--model", path("finished"), "--image", picture.relativePath, "--prompt", question.prompt, "--max-tokens",
        "8",
      ]
      for more in [[], ["--keep", "\(few)", "--compressor", Self.compressors[0], "--layer", "\(Self.layer)"]] {
        if try await !folder.epic(ask + more + computing) { return false }
      }
      try folder.console.line("right       \(references[name, question]?.answer ?? "")\n")
    }
    return true
  }

  private func evaluateBefore() async throws -> Bool {
    if try await !evaluate("start", into: "evaluation-before") { return false }
    // What a model that is trained to its end loses, in the two ways that tell most.
    return try await evaluate(
      "finished", into: "evaluation-finished", ["--compressor", Self.compressors[0], "--keep", "\(few)", "--timed", "0"])
  }

  private func evaluate(_ model: String, into output: String, _ plans: [String]? = nil) async throws -> Bool {
    let all = [
      "--compressor", Self.compressors.joined(separator: ","), "--keep",
      options.keep.map(String.init).joined(separator: ","),
    ]
    return try await folder.epic(
      ["eval", "--model", path(model), "--benchmark", Self.benchmarks, "--data", path("data/test")] + (plans ?? all) + [
        "--layer", "\(Self.layer)", "--max-tokens", "16", "--output", path(output),
      ] + computing)
  }

  private func train() async throws -> Bool {
    if try await !folder.train(yaml()) { return false }
    try link("trained", to: DemoFolder.checkpoint(after: options.steps))
    return true
  }

  /// The run's configuration with a word about each key.
  private func yaml() throws -> String {
    let uses = try CurriculumDefinition.named(options.curriculum).uses
    var curriculum = ["curriculum:", "  name: \(options.curriculum)"]
    if uses.contains(.layer) { curriculum.append("  layer: \(Self.layer)  # decoder layers that see all tokens") }
    if uses.contains(.fullEvery) {
      curriculum.append("  full-every: 4  # all tokens in every fourth step, which teach the budgets")
    }
    // Of nested it would hold a progression, which it has not unless asked.
    if uses.contains(.hold), !uses.contains(.fullEvery) {
      curriculum.append("  hold: 0.25  # the last quarter of training stays at the end of the curriculum")
    }
    let threads = options.threads.map { "threads: \($0)\n" } ?? ""
    return """
      # What epic demo trains with; epic train --keys lists all keys.
      model: \(path("start"))
      output: \(path("run"))
      steps: \(options.steps)
      seed: \(options.seed)
      dtype: float32  # some processors multiply bfloat16 slowly
      \(threads)data:
        file: \(path("data/train.json"))
        images: \(path("data"))
      batch:
        samples: \(Self.batch)
      \(curriculum.joined(separator: "\n"))
      distillation:
        divergence-weight: \(options.divergenceWeight)  # λ
        temperature: 1  # τ
      optimizer:
        parts: [decoder]
        learning-rate: 1.0e-3
        embedding-learning-rate: 1.0e-4
        schedule: linear
        max-grad-norm: 1
      checkpoints:
        every: \(max(1, options.steps / 6))
        keep: 1
      log:
        every: \(max(1, options.steps / 15))  # where the output is no terminal
        tensorboard: false

      """
  }

  private func pictures() throws -> Bool {
    func side(_ name: String, _ evaluation: String) -> DemoPictures.Side {
      .init(name: name, model: folder.url.appending(path: name), evaluation: folder.url.appending(path: evaluation))
    }
    let pictures = DemoPictures(
      before: side("start", "evaluation-before"), after: side("trained", "evaluation-after"),
      data: folder.url.appending(path: "data/test"), compressors: Self.compressors, keep: few, layer: Self.layer)
    // The one step that computes in this process.
    if let threads = options.threads { Runtime.threads = threads }
    try pictures.write(to: folder.url.appending(path: "pictures")) { done in
      folder.console.status { "picture \(done + 1) of 8" }
    }
    try folder.console.line("\(path("pictures")): each as epic generate --json --overlay shows it")
    return true
  }
}
