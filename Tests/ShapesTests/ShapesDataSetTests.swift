import Evaluation
import Foundation
import Imaging
import Language
import TestSupport
import Testing
import Training

@testable import Shapes

/// The files that the data set is written as, by those who read them.
@Suite struct ShapesDataSetTests {
  private let set = ShapesDataSet(train: 40, tune: 6, test: 9, seed: 4)

  @Test func benchmarksAskWhatTheScenesShow() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "data")
    let summary = try #require(try set.write(to: folder, workers: 3) { _ in })
    for (name, split, count) in [("tune", ShapesDataSet.Split.tune, 6), ("test", .test, 9)] {
      let scenes = (0..<count).map { set.scene(split, $0).scene }
      var families: [String: Int] = [:]
      for benchmark in ["pope", "gqa", "vqav2", "textvqa"] {
        let loaded = try BenchmarkRegistry.load(benchmark, from: folder.appending(path: name))
        #expect(loaded.faults == [] && !loaded.questions.isEmpty)
        var answers: [String: String] = [:]
        for question in loaded.questions {
          let image = try #require(question.image)
          let digits = try #require(image.file?.lastPathComponent.split(separator: "_").last?.dropLast(4))
          let scene = scenes[try #require(Int(digits))]
          let text = try #require(question.prompt.split(separator: "\n").first)
          answers[question.id] = try Oracle(scene: scene).answer(text.lowercased())
          #expect(question.prompt.hasSuffix(Question.shortAnswer))
          #expect(try image.decoded() == RGBImage(data: (scene.draw().jpegData()), name: "scene"))
        }
        families[benchmark] = loaded.questions.count
        let score = try loaded.score(answers, scorer: loaded.definition.scorers[0])
        #expect(score.samples.allSatisfy { $0.value == 1 }, "\(benchmark)")
      }
      let expected = try #require(summary.questions[name])
      #expect(families["pope"] == expected["existence"] && families["vqav2"] == expected["counting"])
      #expect(families["textvqa"] == expected["reading"] && families["textvqa"] == count)
      #expect(families["gqa"] == ["attribute", "relation", "position"].reduce(0) { $0 + (expected[$1] ?? 0) })
    }
  }

  @Test func trainingFileHasNothingBad() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "data")
    let summary = try #require(try set.write(to: folder, workers: 2) { _ in })
    try ShapesTokenizer.scenes.write(to: scratch.url)
    let dataset = try InstructionDataset(contentsOf: folder.appending(path: "train.json"), images: nil)
    #expect(dataset.count == 40)
    var options = TextOptions(maximumLength: 512)
    options.visualTokens = 144
    let report = try DatasetCheck(dataset, tokenizer: TokenizerLoader.load(from: scratch.url), options: options).run(workers: 2)
    #expect(report.bad.isEmpty && report.withImage == 40)
    #expect(report.turns == 2 * summary.trainQuestions)
  }

  @Test func theSameNumbersGiveTheSameFiles() throws {
    let scratch = try Scratch()
    let folders = ["a", "b"].map { scratch.url.appending(path: $0) }
    for (folder, workers) in zip(folders, [1, 3]) { _ = try set.write(to: folder, workers: workers) { _ in } }
    for name in [
      "train.json", "images/000007.jpg", "test/gqa/testdev_balanced_questions.json", "tune/pope/coco/coco_pope_random.json",
      "test/textvqa/train_images/3.jpg",
    ] {
      let files = try folders.map { try Data(contentsOf: $0.appending(path: name)) }
      #expect(files[0] == files[1], "\(name)")
    }
    // No scene is in two splits.
    let scenes = [ShapesDataSet.Split.train, .tune, .test].flatMap { split in (0..<200).map { set.scene(split, $0).scene } }
    for (index, scene) in scenes.enumerated() { #expect(!scenes[..<index].contains(scene)) }
  }

  /// A tenth of the answers is wrong and of the same kind; all else is the same, and what is known of a data set without them stays.
  @Test func someAnswersAreWrong() throws {
    let scratch = try Scratch()
    var noisy = ShapesDataSet(train: 150, tune: 0, test: 0, seed: 4)
    let plain = noisy
    noisy.wrong = 10
    #expect(try !String(decoding: JSONEncoder().encode(plain), as: UTF8.self).contains("wrong"))
    let records = try [plain, noisy].enumerated().map { index, set in
      let folder = scratch.url.appending(path: "\(index)")
      _ = try set.write(to: folder, workers: 2) { _ in }
      let dataset = try InstructionDataset(contentsOf: folder.appending(path: "train.json"))
      return try (0..<dataset.count).map { try dataset.record(at: $0) }
    }
    var (wrong, all) = (0, 0)
    for (right, other) in zip(records[0], records[1]) {
      #expect(right.id == other.id && right.images == other.images && right.turns.count == other.turns.count)
      for (a, b) in zip(right.turns, other.turns) where a.role == .assistant {
        all += 1
        if a.text == b.text { continue }
        wrong += 1
        #expect(["yes", "no"].contains(a.text) == ["yes", "no"].contains(b.text), "\(a.text), \(b.text)")
      }
      for (a, b) in zip(right.turns, other.turns) where a.role == .user { #expect(a.text == b.text) }
    }
    // A standard deviation is 0.8 % of some 1,400 answers.
    #expect(abs(Double(wrong) / Double(all) - 0.1) < 0.04)
  }

  @Test func aFolderIsLeftAloneOrRefused() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "data")
    #expect(try set.write(to: folder, workers: 1) { _ in } != nil)
    #expect(try set.write(to: folder, workers: 1) { _ in } == nil)
    var other = set
    other.seed = 5
    #expect(throws: ShapesError.differs(folder: folder.relativePath, found: set.flags)) {
      try other.write(to: folder, workers: 1) { _ in }
    }
    #expect(throws: ShapesError.exists(folder: scratch.url.relativePath)) { try set.write(to: scratch.url, workers: 1) { _ in } }
    // What a killed run left behind does not stand in the way.
    let next = scratch.url.appending(path: "next"), partial = scratch.url.appending(path: ".next.partial")
    try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
    try Data("x".utf8).write(to: partial.appending(path: "left"))
    #expect(try set.write(to: next, workers: 2) { _ in } != nil)
    #expect(!FileManager.default.fileExists(atPath: next.appending(path: "left").path))
  }
}
