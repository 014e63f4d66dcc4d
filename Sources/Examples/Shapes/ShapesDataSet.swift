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
    let files = FileManager.default
    if files.fileExists(atPath: folder.path) {
      guard files.fileExists(atPath: folder.appending(path: Self.descriptionName).path) else {
        throw ShapesError.exists(folder: folder.relativePath)
      }
      let found: Summary
      do {
        found = try Self.summary(of: folder)
      } catch is DecodingError {
        throw ShapesError.exists(folder: folder.relativePath)
      }
      if found.options == self { return nil }
      throw ShapesError.differs(folder: folder.relativePath, found: found.options)
    }
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

  // MARK: - Training

  private struct Record: Encodable {
    struct Turn: Encodable {
      let from, value: String
    }
    let id, image: String
    let conversations: [Turn]
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
      let turns = questions.enumerated().flatMap { place, question in
        [
          Record.Turn(from: "human", value: (place == 0 ? "<image>\n" : "") + question.prompt),
          Record.Turn(from: "gpt", value: question.answer),
        ]
      }
      let line = try Record(id: Self.padded(index, 6), image: "images/\(name)", conversations: turns).jsonData()
      return (line, questions.count)
    }
    var (file, count, done) = (Data("[".utf8), 0, 0)
    while let (line, questions) = try reader.next() {
      file += Data((done == 0 ? "\n" : ",\n").utf8) + line
      count += questions
      done += 1
      progress(done)
    }
    file += Data("\n]\n".utf8)
    try WholeFile.write(file, to: folder.appending(path: "train.json"))
    return count
  }

  static func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

/// Why a data set was not made.
public enum ShapesError: Error, Equatable, CustomStringConvertible {
  /// Something else is in its place.
  case exists(folder: String)
  /// Another data set is in its place.
  case differs(folder: String, found: ShapesDataSet)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .exists(let folder): "\(folder): is there already and is no data set of shapes; choose another folder"
    case .differs(let folder, let found):
      "\(folder): holds another data set (--train \(found.train) --tune \(found.tune) --test \(found.test) --seed \(found.seed)\(found.wrong.map { " --wrong \($0)" } ?? "")); "
        + "choose another folder, or remove it"
    }
  }
}
