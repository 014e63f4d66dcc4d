import Demo
import Distillation
import Evaluation
import Foundation
import Results

/// What `epic demo` does, step by step.
struct Demonstration {
  /// Samples of an optimizer step.
  static let batch = 16
  private static let benchmarks = "pope,gqa,vqav2,textvqa"
  private static let strategies = ["dart", "fastv", "random"]
  private static let layer = 1

  private let command: DemoCommand
  private let folder: URL
  private let process: DemoProcess
  private let checkpoints: (start: URL, finished: URL)?

  init(_ command: DemoCommand, _ folder: URL, _ process: DemoProcess, _ checkpoints: (start: URL, finished: URL)?) {
    self.command = command
    self.folder = folder
    self.process = process
    self.checkpoints = checkpoints
  }

  /// The budget that the story is about: the one nearest to a ninth of LLaVA's tokens, as the paper's 64 of 576.
  private var few: Int { command.keep.values.min { abs($0 - 16) < abs($1 - 16) } ?? 16 }
  /// In float32, as some processors multiply bfloat16 slowly.
  private var computing: [String] { ["--dtype", "f32"] + (command.threads.map { ["--threads", "\($0)"] } ?? []) }

  /// A place in the folder, as one types it.
  private func path(_ name: String) -> String { folder.appending(path: name).relativePath }

  /// All steps; the estimates are those of two cores.
  var steps: [DemoSteps.Step] {
    let questions = Double(command.test * 12)
    return [
      .init(name: "model", title: "the model", estimate: checkpoints == nil ? 3600 : 1) { try model() },
      .init(name: "data", title: "pictures and questions", estimate: 2 + Double(command.trainingPictures) / 900) {
        try epic([
          "data", "make", "shapes", "--output", path("data"), "--train", "\(command.trainingPictures)", "--tune",
          "\(command.tune)",
          "--test", "\(command.test)", "--seed", "\(command.seed)",
        ])
      },
      .init(name: "show", title: "what it sees", estimate: 3) { try show() },
      .init(name: "before", title: "how good it is before", estimate: 3 + questions / 34) { try evaluateBefore() },
      .init(name: "train", title: "training", estimate: 3 + Double(command.steps) * 0.45) { try train() },
      .init(name: "after", title: "how good it is after", estimate: 3 + questions / 45) {
        try evaluate("trained", into: "evaluation-after")
      },
      .init(name: "pictures", title: "eight pictures", estimate: 2) { try pictures() },
      .init(name: "report", title: "the report", estimate: 1, isRepeated: true) {
        try epic([
          "report", path("evaluation-before"), path("evaluation-after"), path("run"), path("pictures"), "--data",
          path("data/test"),
          "--output", folder.relativePath,
        ])
      },
    ]
  }

  /// Prints a command line and runs it.
  private func epic(_ arguments: [String]) throws -> Bool {
    try printLine("$ \(shellLine(["epic"] + arguments))")
    return try process.run(arguments)
  }

  // MARK: - Steps

  private func model() throws -> Bool {
    guard let checkpoints else {
      let more = (command.baseOptions ?? "").split(separator: " ").map(String.init)
      // The seed of those that come along: the demonstration's own pictures are others.
      let isDone = try epic(["base", "--output", path("base")] + Array(computing.dropFirst(2)) + more)
      if !isDone { return false }
      for name in ["start", "finished"] { try link(name, to: "base/\(name)") }
      return true
    }
    for (name, source) in [("start", checkpoints.start), ("finished", checkpoints.finished)] {
      try printLine("$ \(shellLine(["cp", "-rL", source.relativePath, path(name)]))")
      let target = folder.appending(path: name)
      try demoFile(target) { target in
        let files = FileManager.default
        let partial = folder.appending(path: ".\(name).partial")
        for old in [partial, target] where files.fileExists(atPath: old.path) { try files.removeItem(at: old) }
        try files.copyItem(at: source.resolvingSymlinksInPath(), to: partial)
        try files.moveItem(at: partial, to: target)
      }
    }
    return try epic(["inspect", path("start")])
  }

  private func link(_ name: String, to target: String) throws {
    try printLine("$ \(shellLine(["ln", "-sfn", target, path(name)]))")
    try demoFile(folder.appending(path: name)) { url in
      try? FileManager.default.removeItem(at: url)
      try FileManager.default.createSymbolicLink(atPath: url.path, withDestinationPath: target)
    }
  }

  private func show() throws -> Bool {
    let data = folder.appending(path: "data/test")
    let references = try DemoReferences(data)
    for (name, place) in [("gqa", 0), ("vqav2", 1), ("textvqa", 2)] {
      let benchmark = try BenchmarkRegistry.load(name, from: data)
      let question = benchmark.questions[min(place, benchmark.questions.count - 1)]
      guard let picture = question.image?.file else { continue }
      let ask = [
        "generate", "--model", path("finished"), "--image", picture.relativePath, "--prompt", question.prompt, "--max-tokens",
        "8",
      ]
      for more in [[], ["--keep", "\(few)", "--compressor", Self.strategies[0], "--layer", "\(Self.layer)"]] {
        if try !epic(ask + more + computing) { return false }
      }
      try printLine("right       \(references[name, question]?.answer ?? "")\n")
    }
    return true
  }

  private func evaluateBefore() throws -> Bool {
    if try !evaluate("start", into: "evaluation-before") { return false }
    // What a model that is trained to its end loses, in the two ways that tell most.
    return try evaluate(
      "finished", into: "evaluation-finished", ["--compressor", Self.strategies[0], "--keep", "\(few)", "--timed", "0"])
  }

  private func evaluate(_ model: String, into output: String, _ plans: [String]? = nil) throws -> Bool {
    let all = [
      "--compressor", Self.strategies.joined(separator: ","), "--keep",
      command.keep.values.map(String.init).joined(separator: ","),
    ]
    return try epic(
      ["eval", "--model", path(model), "--benchmark", Self.benchmarks, "--data", path("data/test")] + (plans ?? all) + [
        "--layer", "\(Self.layer)", "--max-tokens", "16", "--output", path(output),
      ] + computing)
  }

  private func train() throws -> Bool {
    let configuration = folder.appending(path: "train.yaml")
    try demoFile(configuration) { try Data(yaml().utf8).write(to: $0, options: .atomic) }
    try printLine("\(try yaml())")
    let isBegun = FileManager.default.fileExists(atPath: folder.appending(path: "run/metrics.jsonl").path)
    if try !epic(["train", "--config", configuration.relativePath] + (isBegun ? ["--resume"] : [])) { return false }
    let digits = String(command.steps)
    try link("trained", to: "run/checkpoint-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits)")
    return true
  }

  /// The run's configuration with a word about each key.
  private func yaml() throws -> String {
    let uses = try CurriculumDefinition.named(command.curriculum).uses
    var curriculum = ["curriculum:", "  name: \(command.curriculum)"]
    if uses.contains(.layer) { curriculum.append("  layer: \(Self.layer)  # decoder layers that see all tokens") }
    if uses.contains(.hold) {
      curriculum.append("  hold: 0.25  # the last quarter of training stays at the end of the curriculum")
    }
    let threads = command.threads.map { "threads: \($0)\n" } ?? ""
    return """
      # What epic demo trains with; epic train --keys lists all keys.
      model: \(path("start"))
      output: \(path("run"))
      steps: \(command.steps)
      seed: \(command.seed)
      dtype: float32  # some processors multiply bfloat16 slowly
      \(threads)data:
        file: \(path("data/train.json"))
        images: \(path("data"))
      batch:
        samples: \(Self.batch)
      \(curriculum.joined(separator: "\n"))
      distillation:
        divergence-weight: \(command.divergenceWeight)  # λ
        temperature: 1  # τ
      optimizer:
        parts: [decoder]
        learning-rate: 1.0e-3
        embedding-learning-rate: 1.0e-4
        schedule: constant-decay
        max-grad-norm: 1
      checkpoints:
        every: \(max(1, command.steps / 6))
        keep: 1
      log:
        every: \(max(1, command.steps / 15))  # where the output is no terminal
        tensorboard: false

      """
  }

  private func pictures() throws -> Bool {
    func side(_ name: String, _ evaluation: String) -> DemoPictures.Side {
      .init(name: name, model: folder.appending(path: name), evaluation: folder.appending(path: evaluation))
    }
    let pictures = DemoPictures(
      before: side("start", "evaluation-before"), after: side("trained", "evaluation-after"),
      data: folder.appending(path: "data/test"), strategies: Self.strategies, keep: few, layer: Self.layer)
    let line = ProgressLine()
    defer { line.clear() }
    try pictures.write(to: folder.appending(path: "pictures")) { done in line.show { "picture \(done + 1) of 8" } }
    line.clear()
    try printLine("\(path("pictures")): each as epic generate --json --overlay shows it")
    return true
  }
}
