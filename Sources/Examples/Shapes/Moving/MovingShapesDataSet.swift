import Basics
import Foundation
import Imaging
import Video

/// The data set of shapes that move as files: videos, LLaVA's instruction JSON to train on, and a benchmark to tune and test with.
///
/// `train.json` and `videos/` are what `epic train` reads; `tune/` and `test/` are folders that `epic eval --data` reads, with the files of
/// CLEVRER (descriptive questions). No clip is in two of the three.
public struct MovingShapesDataSet: Sendable, Equatable, Codable {
  /// Videos of each split.
  public var train: Int, tune: Int, test: Int
  /// Frames of a video; those to train on have up to two more.
  public var frames: Int
  /// Fewest frames of a video to train on.
  public var shortest: Int
  /// Where random numbers start.
  public var seed: UInt64

  /// A data set of so many videos.
  ///
  /// - Parameter shortest: two frames less than `frames` unless given.
  public init(train: Int, tune: Int, test: Int, frames: Int = standardFrames, shortest: Int? = nil, seed: UInt64 = 0) {
    (self.train, self.tune, self.test, self.frames, self.seed) = (train, tune, test, frames, seed)
    self.shortest = shortest ?? max(1, frames - 2)
  }

  /// What was made.
  public struct Summary: Sendable, Codable, Equatable {
    /// What was asked for.
    public var clips: MovingShapesDataSet
    /// Questions of `train.json`, and of each split by family.
    public var trainQuestions = 0
    /// Questions by split and family.
    public var questions: [String: [String: Int]] = [:]
  }

  /// Frames of a video unless others are asked for.
  public static let standardFrames = 8
  /// Frames of a second.
  public static let fps = 2.0
  /// The most questions that are asked about one video of the training set.
  static let turns = 8

  enum Split: UInt64 {
    case train = 11, tune, test
  }

  /// A clip, and the generator that goes on to its questions.
  func clip(_ split: Split, _ index: Int) -> (clip: MovingClip, generator: SceneGenerator) {
    let stream = split.rawValue << 40 | UInt64(index)
    var generator = SceneGenerator(seed: seed ^ 0xc11b, stream: stream)
    let lengths = shortest...max(shortest, min(MovingWorld.longestClip, frames + 2))
    let count = split == .train ? generator.within(lengths) : frames
    return (MovingClip(frames: count, seed: seed, stream: stream), generator)
  }

  /// Writes the data set; the folder appears whole or not at all.
  ///
  /// - Parameter progress: is told how many videos are done.
  /// - Returns: what was made; nil where the folder holds just this data set already.
  /// - Throws: `ShapesError`; the system's error.
  public func write(to folder: URL, workers: Int, progress: (Int) -> Void) throws -> Summary? {
    let found = try DataSetFolder.options(of: folder) { try Self.summary(of: $0).clips }
    if found == self { return nil }
    if let found {
      let flags =
        "--train \(found.train) --tune \(found.tune) --test \(found.test) --frames \(found.frames) --shortest \(found.shortest) --seed \(found.seed)"
      throw ShapesError.differs(folder: folder.relativePath, found: flags)
    }
    var summary = Summary(clips: self)
    // Thousands of small files, which can be made again, are not brought to the disk one by one.
    try WholeFolder.write(to: folder, syncs: false) { partial in
      summary.trainQuestions = try writeTraining(partial, workers, progress)
      for (name, split, count, done) in [("tune", Split.tune, tune, train), ("test", .test, test, train + tune)] where count > 0 {
        summary.questions[name] = try writeBenchmark(partial.appending(path: name), split, count, workers) { progress(done + $0) }
      }
      try WholeFile.write(json: summary, to: partial.appending(path: ShapesDataSet.descriptionName), pretty: true)
    }
    return summary
  }

  /// What a folder says it holds.
  ///
  /// - Throws: the system's error, or a decoding error.
  public static func summary(of folder: URL) throws -> Summary {
    try JSONDecoder().decode(Summary.self, from: Data(contentsOf: folder.appending(path: ShapesDataSet.descriptionName)))
  }

  // MARK: - Files

  /// Frames as a video file.
  static func video(_ frames: some Sequence<MovingFrame>, fps: Double = fps) throws -> Data {
    var video = try MotionJPEG(width: MovingFrame.side, height: MovingFrame.side, fps: fps, quality: ShapesDataSet.quality)
    for frame in frames { try video.append(frame.draw()) }
    return video.data()
  }

  private func writeTraining(_ folder: URL, _ workers: Int, _ progress: (Int) -> Void) throws -> Int {
    struct Record: Encodable {
      let id, video: String
      let conversations: [RecordTurn]
    }
    let videos = folder.appending(path: "videos")
    try FileManager.default.createDirectory(at: videos, withIntermediateDirectories: true)
    let reader = ReadAhead((0..<train).makeIterator(), workers: workers, ahead: 256) { index in
      var (clip, generator) = self.clip(.train, index)
      let id = ShapesDataSet.padded(index, 6)
      try Self.video(clip.frames).write(to: videos.appending(path: "\(id).avi"))
      let questions = clip.questions(Self.turns, using: &generator)
      let turns = RecordTurn.turns(questions.map { ($0.prompt, $0.answer) }, tag: "<video>")
      let line = try Record(id: id, video: "videos/\(id).avi", conversations: turns).jsonData()
      return (line, questions.count)
    }
    return try DataSetFolder.write(records: reader, to: folder.appending(path: "train.json"), progress)
  }

  /// A question of each family that has one, and a second one about states.
  static func benchmarkQuestions(_ clip: MovingClip, _ generator: inout SceneGenerator) -> [MovingQuestion] {
    var found: [MovingQuestion] = []
    for family in MovingFamily.allCases + [.state] {
      if let question = clip.question(family, using: &generator), !found.contains(question) { found.append(question) }
    }
    return found
  }

  private struct ClevrerScene: Encodable {
    struct Question: Encodable {
      let question_id: Int
      let question: String
      let question_type = "descriptive"
      let question_subtype, answer: String
    }
    let scene_index: Int
    let video_filename: String
    let questions: [Question]
  }

  private func writeBenchmark(
    _ folder: URL, _ split: Split, _ count: Int, _ workers: Int, _ progress: (Int) -> Void
  ) throws -> [String: Int] {
    let videos = folder.appending(path: "clevrer/video_validation")
    try FileManager.default.createDirectory(at: videos, withIntermediateDirectories: true)
    let reader = ReadAhead((0..<count).makeIterator(), workers: workers, ahead: 256) { index in
      var (clip, generator) = self.clip(split, index)
      let name = "video_\(ShapesDataSet.padded(index, 5)).avi"
      try Self.video(clip.frames).write(to: videos.appending(path: name))
      let questions = Self.benchmarkQuestions(clip, &generator).enumerated().map { place, question in
        ClevrerScene.Question(
          question_id: place, question: question.text, question_subtype: question.family.rawValue, answer: question.answer)
      }
      return ClevrerScene(scene_index: index, video_filename: name, questions: questions)
    }
    var scenes: [ClevrerScene] = []
    while let scene = try reader.next() {
      scenes.append(scene)
      progress(scenes.count)
    }
    try WholeFile.write(json: scenes, to: folder.appending(path: "clevrer/validation.json"))
    return Dictionary(scenes.flatMap(\.questions).map { ($0.question_subtype, 1) }, uniquingKeysWith: +)
  }
}
