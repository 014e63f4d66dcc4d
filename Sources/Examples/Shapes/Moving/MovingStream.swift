import Basics
import Foundation
import Imaging

/// A long video of shapes that move, and questions to ask while it runs, each about the frames before it.
public struct MovingStream: Sendable {
  /// Frames of the video.
  public var frames: Int
  /// Frames of a second.
  public var fps: Double
  /// From one question to the next, in frames.
  public var spacing: Int
  /// Where random numbers start.
  public var seed: UInt64

  /// A video of its length.
  public init(frames: Int, fps: Double, spacing: Int = 10, seed: UInt64 = 0) {
    (self.frames, self.fps, self.spacing, self.seed) = (frames, fps, spacing, seed)
  }

  /// A question, and when it is asked.
  public struct Question: Sendable, Equatable, Encodable {
    /// What is asked, as a model is asked it.
    public let question: String
    /// What is right, by the last ``window`` frames alone.
    public let answer: String
    /// When, in seconds of the video: the time of the last of these frames.
    public let seconds: Double
    /// What it is about.
    public let family: String
  }

  /// Frames that a question is about.
  public static let window = 10

  private static let stream: UInt64 = 21 << 40

  /// All frames.
  public var world: some Sequence<MovingFrame> { MovingWorld(seed: seed, stream: Self.stream).prefix(frames) }

  /// All questions: families take turns, and one that has nothing to ask leaves its turn to the next.
  public var questions: [Question] {
    var generator = SceneGenerator(seed: seed ^ 0xa5c, stream: Self.stream)
    var (last, found): ([MovingFrame], [Question]) = ([], [])
    var turn = 0
    for (time, frame) in world.enumerated() {
      last = last.suffix(Self.window - 1) + [frame]
      guard time > 0, time % max(1, spacing) == 0, last.count == Self.window else { continue }
      let clip = MovingClip(last)
      for _ in MovingFamily.allCases {
        let family = MovingFamily.allCases[turn % MovingFamily.allCases.count]
        turn += 1
        guard let question = clip.question(family, using: &generator) else { continue }
        found.append(
          Question(question: question.prompt, answer: question.answer, seconds: Double(time) / fps, family: family.rawValue))
        break
      }
    }
    return found
  }

  /// Writes `video.avi`, and `questions.jsonl` as `epic watch --questions` reads it; the folder appears whole or not at all.
  ///
  /// - Throws: `ShapesError.exists` for a folder that is there; `VideoError`, the system's error.
  public func write(to folder: URL) throws {
    if FileManager.default.fileExists(atPath: folder.path) { throw ShapesError.exists(folder: folder.relativePath) }
    try WholeFolder.write(to: folder) { partial in
      try MovingShapesDataSet.video(world, fps: fps).write(to: partial.appending(path: "video.avi"))
      let lines = try questions.map { String(decoding: try $0.jsonData(), as: UTF8.self) + "\n" }
      try WholeFile.write(Data(lines.joined().utf8), to: partial.appending(path: "questions.jsonl"))
    }
  }
}
