import Evaluation
import Foundation
import Imaging
import Language
import TestSupport
import Testing
import Training
import Video

@testable import Shapes

/// The files of shapes that move, by those who read them.
@Suite struct MovingDataSetTests {
  private let set = MovingShapesDataSet(train: 12, tune: 2, test: 3, seed: 4)

  @Test func filesSayWhatTheClipsShow() throws {
    let scratch = try Scratch()
    let folders = ["a", "b"].map { scratch.url.appending(path: $0) }
    let summaries = try zip(folders, [1, 3]).map { folder, workers in
      try #require(try set.write(to: folder, workers: workers) { _ in })
    }
    for name in [
      "train.json", "videos/000007.avi", "test/clevrer/validation.json", "tune/clevrer/video_validation/video_00001.avi",
    ] {
      let files = try folders.map { try Data(contentsOf: $0.appending(path: name)) }
      #expect(files[0] == files[1], "\(name)")
    }
    for (name, split, count) in [("tune", MovingShapesDataSet.Split.tune, 2), ("test", .test, 3)] {
      let benchmark = try BenchmarkRegistry.load("clevrer", from: folders[0].appending(path: name))
      #expect(benchmark.faults == [])
      var answers: [String: String] = [:]
      for question in benchmark.questions {
        let index = try #require(Int(question.id.prefix(11).suffix(5)))
        let text = try #require(question.prompt.split(separator: "\n").first).description
        let clip = set.clip(split, index).clip
        let all = MovingFamily.allCases.flatMap { clip.questions($0) }
        let own = try #require(all.first { $0.text == text && $0.family.rawValue == question.category })
        #expect(own.prompt == question.prompt)
        answers[question.id] = own.answer
        let video = try #require(question.image?.video).open()
        #expect(video.times.count == 8 && video.width == MovingFrame.side && abs(video.seconds - 4) < 1e-3)
      }
      #expect(Set(benchmark.questions.map { $0.id.prefix(11) }).count == count)
      #expect(try benchmark.score(answers).value == 100)
      #expect(benchmark.questions.count == summaries[0].questions[name]?.values.reduce(0, +))
    }
    // No clip is in two splits.
    let clips = [MovingShapesDataSet.Split.train, .tune, .test].flatMap { split in (0..<60).map { set.clip(split, $0).clip } }
    for (index, clip) in clips.enumerated() { #expect(!clips[..<index].contains(clip)) }

    // The same again is left alone, another one and another kind are refused.
    #expect(try set.write(to: folders[0], workers: 1) { _ in } == nil)
    var other = set
    other.frames = 9
    #expect(throws: ShapesError.self) { try other.write(to: folders[0], workers: 1) { _ in } }
    #expect(throws: ShapesError.exists(folder: folders[0].relativePath)) {
      try ShapesDataSet(train: 12, tune: 2, test: 3, seed: 4).write(to: folders[0], workers: 1) { _ in }
    }
  }

  /// The training file has nothing bad, needs no letters, and every answer follows its question's last word.
  @Test func theTrainingFileIsWhatTheModelReads() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "data")
    let summary = try #require(try set.write(to: folder, workers: 2) { _ in })
    let tokenizer = ShapesTokenizer.moving
    try tokenizer.write(to: scratch.url)
    let dataset = try InstructionDataset(contentsOf: folder.appending(path: "train.json"), images: nil)
    #expect(dataset.count == 12)
    let reader = try TokenizerLoader.load(from: scratch.url)
    #expect(reader.vocabularySize == tokenizer.vocabularySize && reader.padTokenID == 5 && tokenizer.padTokenID == 5)
    let chat = try #require(try ChatTemplate.read(from: scratch.url, imageMarks: ["<image>"], tokenizer: reader))
    let encoder = try SampleEncoder(template: ConversationTemplate(chat), tokenizer: reader)
    let plain = try SampleEncoder(template: .vicunaV1, tokenizer: reader)
    let endings = Dictionary(uniqueKeysWithValues: tokenizer.endings.map { ($0.id, $0.word) })
    var questions = 0
    for index in 0..<dataset.count {
      let record = try dataset.record(at: index)
      let sample = try encoder.encode(record.turns, hasImage: true)
      #expect(try sample == plain.encode(record.turns, hasImage: true))
      #expect(!sample.ids.contains(ShapesTokenizer.unknownTokenID))
      for place in sample.labels.indices.dropFirst()
      where sample.labels[place] != ignoredLabel && sample.labels[place - 1] == ignoredLabel {
        #expect(endings[sample.ids[place - 1]] != nil)
        questions += 1
      }
    }
    #expect(questions == summary.trainQuestions)
    for group in MovingLabels.groups { for word in group.words { #expect(tokenizer.tokenID(ofWord: word) != nil, "\(word)") } }
  }
}
