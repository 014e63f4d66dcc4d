import Foundation
import Imaging
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch
import Training

@testable import Adaptation

/// A model that learns from its own answers: what it is asked, what is set apart, and what becomes of it.
@Suite struct AdaptationTests {
  private let scratch: Scratch
  private var url: URL { scratch.url }

  init() throws {
    scratch = try Scratch()
    let images = scratch.url.appending(path: "images")
    try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
    for index in 0..<6 {
      var random = SplitMix(seed: UInt64(index))
      let pixels = (0..<30 * 20 * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
      try RGBImage(width: 30, height: 20, pixels: pixels).pngData().write(to: images.appending(path: "p\(index).png"))
    }
    try Self.writeTalkingModel(to: scratch.url.appending(path: "model"), images)
  }

  /// A random model that has an answer to each picture; many say nothing that can be read.
  private static func writeTalkingModel(to folder: URL, _ images: URL) throws {
    for seed in UInt64(0)..<99 {
      let model = try TestModel.tiny(seed: seed)
      try TestModel.write(model, to: folder)
      let answering = GreedyAnswers(
        pipeline: try LLaVAPipeline.load(from: folder, dtype: .float32), images: images, maximumTokens: 4)
      // All that the tests below ask.
      let asked = (0..<6).map { ("p\($0).png", "what \($0)") } + ["what", "where", "why"].map { ("p0.png", $0) }
      let more = [("p2.png", "who"), ("p3.png", "how"), ("p4.png", "when")]
      let questions = (asked + more).map { AdaptationQuestion(image: $0.0, question: $0.1) }
      var isTalking = true
      try answering.answer(questions, numbers: Array(questions.indices), nil) { found in
        isTalking = found.allSatisfy { $0.answer != nil }
        return isTalking
      }
      if isTalking { return }
      try FileManager.default.removeItem(at: folder)
    }
    Issue.record("none of 99 random models has an answer")
  }

  private func questions(_ text: String) throws -> URL {
    let file = url.appending(path: "questions.json")
    try Data(text.utf8).write(to: file)
    return file
  }

  private func options(_ output: String, _ changes: String...) throws -> AdaptationOptions {
    var options = AdaptationOptions(
      model: url.appending(path: "model"), images: url.appending(path: "images"), output: url.appending(path: output))
    options.questions = try questions(
      (0..<6).map { #"{"image": "p\#($0).png", "question": "what \#($0)", "answer": "x"}"# }.joined(separator: "\n"))
    (options.maximumTokens, options.dtype, options.layer, options.heldOut) = (4, .float32, 1, 0.34)
    options.changes =
      [
        "steps=6", "batch.samples=4", "optimizer.learning-rate=1e-3", "optimizer.schedule=constant", "optimizer.warmup-ratio=0",
      ] + changes
    return options
  }

  private func adapt(_ options: AdaptationOptions) throws -> (
    before: [AdaptationScore], after: [AdaptationScore], losses: [Double]
  ) {
    let work = try Adaptation(options)
    let faults = try #require(work.answer { _ in true })
    #expect(faults.isEmpty)
    let before = try #require(work.scores(as: "before") { _ in true })
    let run = try work.run()
    var losses: [Double] = []
    _ = try run.run { if case .step(let record) = $0 { losses.append(record.loss) } }
    let last = try #require(run.folder.checkpoints.last)
    return (before, try #require(work.scores(of: last.url, as: "after") { _ in true }), losses)
  }

  @Test(arguments: [[], ["lora.rank=2"]]) func itLearnsWhatItSaidWithAllTokens(_ changes: [String]) throws {
    var options = try options("adapted")
    options.changes += changes
    let (before, after, losses) = try adapt(options)
    let all = before[0].tokens
    #expect(
      before.map(\.tokens) == [all, all * 4 / 9, all / 4, all / 9, all / 16] && after.map(\.tokens) == before.map(\.tokens))
    // With all tokens a model says what it says.
    #expect(before[0].agreement == 1 && before[0].questions == 2)
    // The loss is a divergence alone: nothing at the start where all tokens are seen, and it falls.
    #expect(losses.count == 6 && losses[0] > 0 && losses.suffix(2).reduce(0, +) < losses.prefix(2).reduce(0, +))
    let records = try String(contentsOf: url.appending(path: "adapted/run/metrics.jsonl"), encoding: .utf8).split(separator: "\n")
    let first = try JSONDecoder().decode(StepRecord.self, from: Data(records[0].utf8))
    #expect(try abs(#require(first.budgets?.first?.divergence)) < 1e-5)
    #expect(abs(first.loss - (first.budgets ?? []).reduce(0) { $0 + ($1.divergence ?? 0) } / 3) < 1e-5)
  }

  @Test func whatIsDoneIsKept() throws {
    let options = try options("adapted")
    let work = try Adaptation(options)
    // Ended after the first batch; here there is one batch alone, so the answers are there.
    #expect(try work.answer { $0 < 6 } == nil)
    let journal = url.appending(path: "adapted/answers.jsonl")
    let written = try Data(contentsOf: journal)
    #expect(try Adaptation(options).answer { _ in true } == [])
    #expect(try Data(contentsOf: journal) == written)
    // Answers of other questions are not mixed with them.
    var other = options
    other.questions = try questions(#"[{"image": "p0.png", "text": "a"}, {"image": "p1.png", "text": "b"}]"#)
    #expect(throws: AdaptationError.otherOptions(folder: options.output.relativePath)) {
      try Adaptation(other).answer { _ in true }
    }
  }

  /// No picture is on both sides, labels are looked at for scores alone, and a picture that is not there leaves its question out.
  @Test func picturesAreOnOneSide() throws {
    var options = try options("adapted")
    options.questions = try questions(
      """
      [{"image": "p0.png", "conversations": [{"from": "human", "value": "<image>\\nwhat"}, {"from": "gpt", "value": "A b."},
        {"from": "human", "value": "where"}, {"from": "gpt", "value": "there"}]},
       {"image": "gone.png", "question": "which"}, {"image": "p2.png", "question": "who"}, {"image": "p0.png", "question": "why"},
       {"image": "p3.png", "question": "how"}, {"image": "p4.png", "question": "when"}]
      """)
    let work = try Adaptation(options)
    #expect(work.training + work.heldOut == Array(0..<7).filter { work.training.contains($0) } + work.heldOut)
    #expect(Set(work.training).isDisjoint(with: work.heldOut) && !work.heldOut.isEmpty)
    let faults = try #require(work.answer { _ in true })
    #expect(faults.map(\.index) == [2] && faults[0].reason.contains("gone.png"))
    let text = try String(contentsOf: url.appending(path: "adapted/train.json"), encoding: .utf8)
    #expect(!text.contains("A b.") && !text.contains("gone.png"))
    let read = try AdaptationQuestion.read(#require(options.questions))
    #expect(read.map(\.label) == ["A b.", "there", nil, nil, nil, nil, nil])
    for number in work.heldOut { #expect(!work.training.contains { read[$0].image == read[number].image }) }
  }

  /// What `train.json` holds.
  private struct Sample: Decodable {
    struct Turn: Decodable { let from, value: String }
    let id, image: String
    let conversations: [Turn]
  }

  private func samples(_ turns: Int) throws -> [Sample] {
    var options = try options("adapted-\(turns)")
    options.questions = try questions(
      """
      [{"image": "p0.png", "question": "what"}, {"image": "p2.png", "question": "who"}, {"image": "p0.png", "question": "where"},
       {"image": "p0.png", "question": "why"}, {"image": "p3.png", "question": "how"}]
      """)
    options.turns = turns
    // The last picture alone is set apart.
    let work = try Adaptation(options)
    #expect(try work.answer { _ in true } == [] && work.heldOut == [4])
    let data = try Data(contentsOf: url.appending(path: "adapted-\(turns)/train.json"))
    return try JSONDecoder().decode([Sample].self, from: data)
  }

  @Test func questionsAboutOnePictureShareASample() throws {
    let asked = "<image>\n"
    let single = try samples(1)
    #expect(single.map(\.id) == ["0", "1", "2", "3"] && single.allSatisfy { $0.conversations.count == 2 })
    let answers = Dictionary(uniqueKeysWithValues: single.map { ($0.conversations[0].value, $0.conversations[1].value) })
    for (turns, expected) in [
      (2, [(["what", "where"], "p0.png"), (["who"], "p2.png"), (["why"], "p0.png")]),
      (10, [(["what", "where", "why"], "p0.png"), (["who"], "p2.png")]),
    ] {
      let found = try samples(turns)
      #expect(found.map(\.image) == expected.map(\.1))
      for (sample, (questions, _)) in zip(found, expected) {
        #expect(sample.conversations.map(\.from) == questions.flatMap { _ in ["human", "gpt"] })
        for (place, question) in questions.enumerated() {
          #expect(sample.conversations[2 * place].value == (place == 0 ? asked : "") + question)
          #expect(sample.conversations[2 * place + 1].value == answers[asked + question])
        }
      }
    }
  }

  @Test func withoutQuestionsTheTemplatesAreAsked() throws {
    var options = try options("adapted")
    options.questions = nil
    options.limit = 12
    let work = try Adaptation(options)
    #expect(work.training.count + work.heldOut.count == 12)
    let all = try AdaptationQuestion.templates(about: options.images)
    #expect(all.count == 6 * AdaptationQuestion.templates.count && all[0].image == "p0.png")
  }

  @Test func scoresAreSharesOfAnswers() {
    let score = AdaptationScore(
      tokens: 9, ["A  cat. ", "dog", nil, "x"], reference: ["a cat", "Dog", "bird", nil], labels: ["cat", nil, "bird", "X."])
    #expect(score.questions == 3 && score.agreement == 2.0 / 3 && score.accuracy == 1.0 / 3)
    #expect(AdaptationScore(tokens: 9, ["a"], reference: ["a"], labels: [nil]).accuracy == nil)
  }

  @Test func whatCannotBeAskedIsSaid() throws {
    func refused(_ text: String, _ says: String) throws {
      let file = try questions(text)
      let error = #expect(throws: AdaptationError.self) { try AdaptationQuestion.read(file) }
      #expect(error?.description.contains(says) == true, "\(error.map { "\($0)" } ?? "")")
    }
    try refused("{", "neither a JSON list")
    try refused("[]", "holds no question")
    try refused(#"[{"image": "a.png"}]"#, "record 0 has no image with a question")
    try refused(#"{"question": "a"}"#, "record 0 has no image with a question")
    var options = try options("adapted")
    options.questions = try questions(#"[{"image": "p0.png", "question": "a"}]"#)
    #expect(throws: AdaptationError.tooFew(pictures: 1)) { try Adaptation(options) }
  }

  /// A model that says nothing is told apart from one that was not asked.
  @Test func aModelWithoutAnswersIsNamed() throws {
    var silent = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &silent)
    silent.eosTokenIDs = Set(0..<silent.text.vocabularySize)
    let folder = url.appending(path: "silent")
    try TestModel.write(LLaVAModel.random(silent, seed: 1), to: folder)
    // Pictures behind a link are found as well.
    let link = url.appending(path: "link")
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: url.appending(path: "images"))
    var options = AdaptationOptions(model: folder, images: link, output: url.appending(path: "adapted"))
    (options.dtype, options.budgets, options.layer) = (.float32, [16, 4], 1)
    let adaptation = try Adaptation(options)
    #expect(adaptation.training.count + adaptation.heldOut.count == 6 * AdaptationQuestion.templates.count)
    #expect(throws: AdaptationError.noAnswers(questions: adaptation.training.count)) {
      _ = try adaptation.answer { _ in true }
    }
    options.questions = nil
    options.images = url.appending(path: "model")
    #expect(throws: AdaptationError.self) { try Adaptation(options) }
  }
}
