import Basics
import EvaluationLayouts
import Compression
import Evaluation
import Foundation
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch
import Video

@testable import Answering

/// The file of answers, and what it is kept apart by.
@Suite struct AnswerJournalTests {
  private func entry(_ plan: String, _ id: String, _ text: String?) -> AnswerJournal.Entry {
    AnswerJournal.Entry(plan: plan, id: id, text: text, textTokens: 3, newTokens: 1, fault: text == nil ? "broken" : nil)
  }

  /// Cut at any byte, as a kill may leave it, the file holds the entries whose lines are whole, and goes on from there.
  @Test func anyBeginningIsAJournal() throws {
    let scratch = try Scratch()
    let entries = (0..<6).map { entry($0 % 2 == 0 ? "full" : "dart-4-after-2", "id \($0)\n\"ü\"", $0 == 3 ? nil : "答 \($0)") }
    try AnswerJournal(scratch.url).append(entries)
    let file = scratch.url.appending(path: AnswerJournal.fileName)
    let whole = try Data(contentsOf: file)
    var random = SplitMix(seed: 5)
    for cut in [0, 1, whole.count - 1, whole.count] + (0..<40).map({ _ in Int.random(in: 0...whole.count, using: &random) }) {
      try whole.prefix(cut).write(to: file)
      let journal = try AnswerJournal(scratch.url)
      let kept = whole.prefix(cut).filter { $0 == UInt8(ascii: "\n") }.count
      #expect(journal.entries.values.reduce(0) { $0 + $1.count } == kept)
      try journal.append(entries)
      #expect(try Data(contentsOf: file) == whole, "cut at \(cut)")
    }
  }

  @Test func anAnswerCountsOnceAndAFaultUntilThere() throws {
    let scratch = try Scratch()
    let journal = try AnswerJournal(scratch.url)
    try journal.append([entry("full", "a", nil), entry("full", "a", nil), entry("full", "b", "yes")])
    #expect(!journal.isAnswered("a", under: "full") && journal.entries["full"]?["a"]?.fault == "broken")
    try journal.append([entry("full", "a", "no"), entry("full", "b", "other"), entry("full", "a", nil)])
    let text = try String(contentsOf: scratch.url.appending(path: AnswerJournal.fileName), encoding: .utf8)
    #expect(text.split(separator: "\n").count == 3)
    #expect(journal.answers(under: "full") == ["a": "no", "b": "yes"])
    #expect { try AnswerJournal(scratch.url) } throws: { "\($0)".contains("another epic eval") }
  }

  private func print(_ pipeline: LLaVAPipeline, _ folder: URL) throws -> String {
    try ModelFingerprint(pipeline, tokenizer: folder, .everything).text
  }

  /// What changes an answer changes the folder; what does not does not.
  @Test func fingerprintsChangeWithAllThatMatters() throws {
    let scratch = try Scratch()
    try TestModel.write(TestModel.tiny(seed: 1), to: scratch.url.appending(path: "model"))
    let folder = scratch.url.appending(path: "model")
    let pipeline = try LLaVAPipeline.load(from: folder)
    let first = try print(pipeline, folder)
    #expect(try print(LLaVAPipeline.load(from: folder), folder) == first)
    try FileManager.default.copyItem(at: folder, to: scratch.url.appending(path: "elsewhere"))
    #expect(
      try print(LLaVAPipeline.load(from: scratch.url.appending(path: "elsewhere")), scratch.url.appending(path: "elsewhere"))
        == first)
    var others = [
      try print(pipeline.with(system: "Be brief."), folder),
      try print(LLaVAPipeline.load(from: folder, template: "plain"), folder),
      try print(LLaVAPipeline.load(from: folder, dtype: .bfloat16), folder),
      try print(
        LLaVAPipeline(
          model: pipeline.model, tokenizer: pipeline.tokenizer, preprocessor: ImagePreprocessor(imageSize: 56, aspect: .square),
          template: pipeline.template), folder),
    ]
    // The last bit of one weight.
    let weights = try #require(pipeline.model.parameters.parameters.last).tensor.reshaped([-1]).narrow(0, from: 0, length: 1)
    let value = try weights.array(Float.self)[0]
    _ = try inference { try weights.copyInPlace(from: Tensor([value.nextUp])) }
    others.append(try print(pipeline, folder))
    _ = try inference { try weights.copyInPlace(from: Tensor([value])) }
    #expect(try print(pipeline, folder) == first)
    try Data("{}".utf8).write(to: folder.appending(path: "added_tokens.json"))
    others.append(try print(pipeline, folder))
    #expect(Set(others + [first]).count == others.count + 1)
  }

  @Test func questionsAndSettingsHaveAFingerprintToo() throws {
    let (one, two) = (try DataFolder(), try DataFolder())
    for folder in [one, two] { try folder.make("gqa") }
    let benchmark = try BenchmarkRegistry.load("gqa", from: one.url)
    let print = try Fingerprint.of(benchmark, maximumNewTokens: 128, seed: 0)
    #expect(try Fingerprint.of(BenchmarkRegistry.load("gqa", from: two.url), maximumNewTokens: 128, seed: 0) == print)
    var others = [
      try Fingerprint.of(benchmark, maximumNewTokens: 127, seed: 0),
      try Fingerprint.of(benchmark, maximumNewTokens: 128, seed: 1),
    ]
    for change in ["Which is 5?": "Which was 5?", "n1.jpg": "n0.jpg", "20107": "20999"] {
      for path in ["gqa/llava_gqa_testdev_balanced.jsonl", "gqa/data/testdev_balanced_questions.json"] {
        try two.write(one.read(path).replacingOccurrences(of: change.key, with: change.value), path)
      }
      others.append(try Fingerprint.of(BenchmarkRegistry.load("gqa", from: two.url), maximumNewTokens: 128, seed: 0))
    }
    #expect(Set(others + [print]).count == others.count + 1)
  }

  /// Which frames are looked at counts for videos alone; what is kept of pictures is known by the hash that it always had.
  @Test func framesCountForVideosAlone() throws {
    struct Settings: Encodable {
      let benchmark, split, prompt: String
      let maximumNewTokens: Int
      let seed: UInt64
    }
    let folder = try DataFolder()
    for name in ["gqa", "mlvu"] { try folder.make(name) }
    let other = FrameSampling(fps: 1, maximumFrames: 8)
    let pictures = try BenchmarkRegistry.load("gqa", from: folder.url)
    var hash = StableHash()
    try hash.addBlock(
      json: Settings(benchmark: "gqa", split: pictures.split, prompt: "llava", maximumNewTokens: 9, seed: 3))
    for question in pictures.questions {
      for text in [question.id, question.prompt, try #require(question.image?.file).lastPathComponent] { hash.addBlock(text) }
    }
    for sampling in [FrameSampling(), other] {
      #expect(try Fingerprint.of(pictures, maximumNewTokens: 9, seed: 3, sampling) == hash.text)
    }
    let videos = try BenchmarkRegistry.load("mlvu", from: folder.url)
    let prints = try [FrameSampling(), other, FrameSampling(fps: 1, maximumFrames: 9)].map {
      try Fingerprint.of(videos, maximumNewTokens: 9, seed: 3, $0)
    }
    #expect(Set(prints).count == 3)
  }

  /// Answers of a compressor as it was before it changed stay in the file and do not count.
  @Test func anotherVersionOfACompressorIsAskedAnew() throws {
    let configuration = try LLaVAConfiguration.preset("tiny")
    let plan = try AnswerPlan(CompressionPlan("dart:4@2"), for: configuration)
    #expect(plan.recordName == plan.id && AnswerPlan(fullOf: configuration).recordName == "full")
    let scratch = try Scratch()
    try AnswerJournal(scratch.url).append([entry(plan.recordName(1), "a", "yes")])
    let journal = try AnswerJournal(scratch.url)
    #expect(journal.isAnswered("a", under: plan.recordName) && !journal.isAnswered("a", under: plan.recordName(2)))
    try journal.append([entry(plan.recordName(2), "a", "no")])
    #expect(
      journal.answers(under: plan.recordName(1)) == ["a": "yes"] && journal.answers(under: plan.recordName(2)) == ["a": "no"])
  }

  /// Random choices follow from it, and published tables from those.
  @Test func seedsOfPicturesStayWhatTheyAre() {
    for (name, expected) in [("n1.jpg", 0x9924_acd6_48f3_42b5), ("COCO_val2014_000000000042.jpg", 0xcc8b_6fde_4e7b_90ed)]
      as [(String, UInt64)]
    {
      #expect(Fingerprint.seed(of: QuestionImage(file: URL(filePath: "/any/\(name)")), 5) == expected)
    }
  }
}
