import Basics
import Evaluation
import Foundation
import LLaVA
import Programs
import Shapes
import Torch

/// What a demonstration with videos is told.
public struct VideoDemoOptions: Sendable {
  /// Videos to report on, with up to seven questions each.
  public var test = 150
  /// Where random numbers start; the model that comes along was trained on the videos of 0.
  public var seed: UInt64 = 100
  /// CPU threads; all cores where it is nil.
  public var threads: Int?
  /// The checkpoint that is asked; the one that comes along where it is nil.
  public var model: String?
  /// Percent of the visual tokens that stay.
  public var keep = [50, 25, 15, 10]

  /// What `epic demo --video` does unless it is told otherwise.
  public init() {}

  var flags: [String] {
    ["--video", "--test", "\(test)", "--seed", "\(seed)", "--keep", keep.map(String.init).joined(separator: ",")]
      + (threads.map { ["--threads", "\($0)"] } ?? []) + (model.map { ["--finished", $0] } ?? [])
  }
}

/// What `epic demo --video` does, step by step: a model that knows shapes that move is asked with fewer and fewer tokens of a second.
public struct VideoDemonstration {
  /// Compressors, and where they choose: before the decoder where they can, as then no layer of it sees what was dropped.
  static let compressors = [(name: "dtd", site: "features"), (name: "evs", site: "features"), (name: "uniform", site: "1")]

  /// Frames of a video: as many as there can be, as the first of them is read whole by the compressors that look at change.
  public static let frames = MovingWorld.longestClip

  private let options: VideoDemoOptions
  private let folder: DemoFolder
  private let state: DemoState
  private let checkpoint: URL

  /// Takes a folder for a demonstration, a new one or one to go on with.
  ///
  /// - Throws: as ``Demonstration/init(_:in:console:)``.
  public init(_ options: VideoDemoOptions, in folder: URL, console: any Console) async throws {
    self.options = options
    checkpoint = try options.model.map { URL(fileURLWithPath: $0) } ?? DemoCheckpoints.folder().appending(path: "moving")
    _ = try CheckpointReader(checkpoint).configuration
    state = try DemoState.open(folder, options: options.flags)
    self.folder = try await DemoFolder(folder, console)
  }

  /// Does all steps that are not done.
  ///
  /// - Returns: each step with the seconds that it took; nil where the console asked for an end.
  public func run() async throws -> [(title: String, seconds: Double)]? {
    var steps = DemoSteps(in: folder, state)
    return try await steps.run(self.steps)
  }

  private func path(_ name: String) -> String { folder.path(name) }
  private var computing: [String] { ["--dtype", "f32"] + (options.threads.map { ["--threads", "\($0)"] } ?? []) }

  /// A compressor that leaves a share of a video's tokens, as `--reduce` spells it: as a number, as tables say it of each row.
  static func plan(_ compressor: (name: String, site: String), _ percent: Int) -> String {
    let tokens = frames * MovingFrame.cells * MovingFrame.cells
    return "\(compressor.name):\(max(1, (tokens * percent + 50) / 100))@\(compressor.site)"
  }

  private var few: Int { options.keep.min() ?? 10 }

  private var steps: [DemoSteps.Step] {
    [
      .init(name: "model", title: "the model", estimate: 1) {
        try folder.copy(checkpoint: checkpoint, to: "model")
        return try await folder.epic(["inspect", path("model")])
      },
      .init(name: "data", title: "videos and questions", estimate: 1 + Double(options.test) / 100) {
        try await folder.epic([
          "data", "make", Course.movingShapes.rawValue, "--output", path("data"), "--train", "0", "--tune", "0", "--test",
          "\(options.test)", "--frames", "\(Self.frames)", "--seed", "\(options.seed)",
        ])
      },
      .init(name: "show", title: "what it sees", estimate: 3) { try await show() },
      .init(name: "evaluate", title: "how good it is with fewer tokens of a second", estimate: 3 + Double(options.test) * 0.5) {
        let plans = Self.compressors.flatMap { compressor in options.keep.map { Self.plan(compressor, $0) } }
        return try await folder.epic(
          ["eval", "--model", path("model"), "--benchmark", "clevrer", "--data", path("data/test")]
            + plans.flatMap { ["--reduce", $0] } + ["--max-tokens", "8", "--batch", "8", "--output", path("evaluation")]
            + computing)
      },
      .init(name: "pictures", title: "six videos", estimate: 3) {
        if let threads = options.threads { Runtime.threads = threads }
        let films = DemoFilms(
          model: folder.url.appending(path: "model"), data: folder.url.appending(path: "data/test"), percent: few)
        try films.write(to: folder.url.appending(path: "pictures")) { done in folder.console.status { "video \(done + 1)" } }
        try folder.console.line("\(path("pictures")): the frames of each, dark where no token was left")
        return true
      },
      .init(name: "report", title: "the report", estimate: 1, isRepeated: true) {
        try await folder.epic([
          "report", path("evaluation"), path("pictures"), "--data", path("data/test"), "--output", folder.url.relativePath,
        ])
      },
    ]
  }

  private func show() async throws -> Bool {
    let data = folder.url.appending(path: "data/test")
    let benchmark = try BenchmarkRegistry.load("clevrer", from: data)
    guard let question = benchmark.questions.first, let video = question.image?.video?.url else { return true }
    let ask = [
      "generate", "--model", path("model"), "--video", video.relativePath, "--prompt", question.prompt, "--max-tokens", "8",
    ]
    for more in [[], ["--reduce", Self.plan(Self.compressors[0], few)]] {
      if try await !folder.epic(ask + more + computing) { return false }
    }
    try folder.console.line("right       \(try DemoFilms.answers(data)[question.id] ?? "")\n")
    return true
  }
}
