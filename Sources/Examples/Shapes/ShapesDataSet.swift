import Basics
import Foundation
import Imaging

/// The embedded data set as files: pictures, LLaVA's instruction JSON to train on, and benchmarks to tune and test with.
///
/// `train.json` and `images/` are what `epic train` reads; `tune/` and `test/` are folders that `epic eval --data` reads, with the files of
/// POPE (existence), GQA (attributes, relations, positions), VQAv2 (counting) and TextVQA (reading). No scene is in two of the three.
public struct ShapesDataSet: Sendable, Equatable, Codable {
  /// Pictures of each split.
  public var train: Int, tune: Int, test: Int
  /// Where random numbers start.
  public var seed: UInt64
  /// Percent of the training answers that are wrong, for data as people have them; nil for none.
  ///
  /// Pictures, questions and the other answers are those of the same data set without wrong ones.
  public var wrong: Int?

  /// A data set of so many pictures.
  public init(train: Int, tune: Int, test: Int, seed: UInt64 = 0, wrong: Int? = nil) {
    (self.train, self.tune, self.test, self.seed, self.wrong) = (train, tune, test, seed, wrong)
  }

  /// The file that says what a folder holds; it is written last.
  public static let descriptionName = "dataset.json"

  /// What was made.
  public struct Summary: Sendable, Codable, Equatable {
    /// What was asked for.
    public var options: ShapesDataSet
    /// Questions of `train.json`, and of each split by family.
    public var trainQuestions = 0
    /// Questions by split and family.
    public var questions: [String: [String: Int]] = [:]
  }

  /// The most questions that are asked about one picture of the training set.
  static let turns = 10
  /// What pictures are compressed with.
  static let quality = 95

  enum Split: UInt64 {
    case train = 1, tune, test
  }

  /// A scene, and the generator that goes on to its questions.
  func scene(_ split: Split, _ index: Int) -> (scene: Scene, generator: SceneGenerator) {
    var generator = SceneGenerator(seed: seed, stream: split.rawValue << 40 | UInt64(index))
    return (Scene(using: &generator), generator)
  }

  /// Writes the data set; the folder appears whole or not at all.
  ///
  /// - Parameter progress: is told how many pictures are done.
  /// - Returns: what was made; nil where the folder holds just this data set already.
  /// - Throws: `ShapesError`; the system's error.
  public func write(to folder: URL, workers: Int, progress: (Int) -> Void) throws -> Summary? {
    let found = try DataSetFolder.options(of: folder) { try Self.summary(of: $0).options }
    if found == self { return nil }
    if let found { throw ShapesError.differs(folder: folder.relativePath, found: found.flags) }
    var summary = Summary(options: self)
    // Thousands of small files, which can be made again, are not brought to the disk one by one.
    try WholeFolder.write(to: folder, syncs: false) { partial in
      summary.trainQuestions = try writeTraining(partial, workers, progress)
      for (name, split, count, done) in [("tune", Split.tune, tune, train), ("test", .test, test, train + tune)] where count > 0 {
        let writer = BenchmarkWriter(folder: partial.appending(path: name))
        summary.questions[name] = try writer.write(self, split, count: count, workers: workers) { progress(done + $0) }
      }
      try WholeFile.write(json: summary, to: partial.appending(path: Self.descriptionName), pretty: true)
    }
    return summary
  }

  /// What a folder says it holds.
  ///
  /// - Throws: the system's error, or a decoding error.
  public static func summary(of folder: URL) throws -> Summary {
    try JSONDecoder().decode(Summary.self, from: Data(contentsOf: folder.appending(path: descriptionName)))
  }

  /// What it was asked for, as one types it.
  var flags: String {
    "--train \(train) --tune \(tune) --test \(test) --seed \(seed)\(wrong.map { " --wrong \($0)" } ?? "")"
  }

  // MARK: - Training

  private struct Record: Encodable {
    let id, image: String
    let conversations: [RecordTurn]
  }

  private func writeTraining(_ folder: URL, _ workers: Int, _ progress: (Int) -> Void) throws -> Int {
    let images = folder.appending(path: "images")
    try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
    let reader = ReadAhead((0..<train).makeIterator(), workers: workers, ahead: 256) { index in
      var (scene, generator) = self.scene(.train, index)
      let name = "\(Self.padded(index, 6)).jpg"
      try scene.draw().jpegData(quality: Self.quality).write(to: images.appending(path: name))
      // A generator of its own, so that nothing else changes.
      var doubt = SceneGenerator(seed: self.seed ^ 0xd0_0b7, stream: UInt64(index))
      let questions = scene.questions(Self.turns, using: &generator).map { question in
        doubt.chance(self.wrong ?? 0) ? question.answeredWrongly(using: &doubt) : question
      }
      let turns = RecordTurn.turns(questions.map { ($0.prompt, $0.answer) }, tag: "<image>")
      let line = try Record(id: Self.padded(index, 6), image: "images/\(name)", conversations: turns).jsonData()
      return (line, questions.count)
    }
    return try DataSetFolder.write(records: reader, to: folder.appending(path: "train.json"), progress)
  }

  static func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
