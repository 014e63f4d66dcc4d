import Compression
import Foundation
import Imaging
import LLaVA
import Language
import TestSupport
import Testing
import Torch

@testable import Engine

/// How long work takes, what is left of it, and who is refused for it.
@Suite struct ForecastTests {
  /// Rows at a millisecond each and answers at two: found again from steps that do both, after steps that were ten times as slow.
  @Test(arguments: 0..<8) func stepTimesAreFound(_ seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    var times = StepTimes()
    #expect(times.secondsPerRow == nil && times.writing(3) == 0)
    func writing(_ answers: Int) -> Double { answers == 0 ? 0 : 0.01 + 0.002 * Double(answers) }
    for step in 0..<200 {
      let answers = Int.random(in: 0...16, using: &random)
      let rows = Int.random(in: 0..<3, using: &random) == 0 ? 0 : Double(Int.random(in: 16...200, using: &random))
      times.note(rows: rows, answers: answers, seconds: (writing(answers) + rows * 0.001) * (step < 3 ? 10 : 1))
    }
    let found = times.secondsPerRow ?? 0
    #expect((0.0008...0.0014).contains(found), "seed \(seed): \(found)")
    for answers in [1, 3, 6, 12] {
      #expect((0.5 * writing(answers)...1.5 * writing(answers)).contains(times.writing(answers)), "seed \(seed): \(answers)")
    }
  }

  /// Steps that are as long as what they read allows settle at the rows that fit, however slow the first ones were.
  @Test(arguments: [1.0, 30, 1000]) func piecesDoNotShrink(_ slowness: Double) {
    var times = StepTimes()
    var rows = 64.0
    for step in 0..<60 {
      times.note(rows: rows, answers: 8, seconds: 0.05 + rows * 0.001 * (step == 0 ? slowness : 1))
      // Eight answers are never written without reading here, so their part counts as reading.
      rows = max(16, 0.2 / (times.secondsPerRow ?? 1))
    }
    #expect(rows > 100 && rows < 250, "\(rows)")
  }

  @Test func whatIsLeftIsCounted() {
    let backlog = Backlog()
    let first = backlog.enter(.init(rows: 10, pictures: 1), expected: 1, isTelling: false)
    do {
      let second = backlog.enter(.init(rows: 5, pictures: 2), expected: 1, isTelling: false)
      #expect(backlog.total.work == .init(rows: 15, pictures: 3) && backlog.total.requests == 2)
      second.update(.init(rows: 1, pictures: 0))
      #expect(backlog.total.work == .init(rows: 11, pictures: 1))
    }
    #expect(backlog.total.work == .init(rows: 10, pictures: 1) && backlog.total.requests == 1)
    first.close()
    first.update(.init(rows: 7, pictures: 0))
    #expect(backlog.total.requests == 0)
  }

  /// What came later than expected makes later expectations careful, which fades; what was not told apart teaches nothing.
  @Test func latenessIsLearntAndFades() {
    let backlog = Backlog()
    func learn(expected: Double, isTelling: Bool = true, times: Int = 1) {
      for _ in 0..<times { backlog.enter(.init(rows: 1, pictures: 0), expected: expected, isTelling: isTelling).close() }
    }
    let first = backlog.lateness
    learn(expected: 1e-9, isTelling: false)
    #expect(backlog.lateness == first)
    learn(expected: 1e-9)
    let most = backlog.lateness
    #expect(most > 2 * first && most.isFinite)
    learn(expected: 1e9, times: 10)
    #expect(abs(backlog.lateness - most * pow(0.99, 10)) < 1e-9)
    learn(expected: 1e9, times: 500)
    let least = backlog.lateness
    learn(expected: 1e9)
    #expect(backlog.lateness == least && least >= 1 && least < first)
  }

  /// What a prompt costs is the mean over the layers of the rows that each sees.
  @Test(arguments: [nil, "fastv:6@1", "dart:5@2", "uniform:9@1", "dart:9@1,random:4@2", "pool:4"])
  func promptsCostWhatLayersSee(_ plan: String?) throws {
    var random = SplitMix(seed: 7)
    let model = TestServer.pipeline.model
    let layers = model.configuration.text.layers
    for _ in 0..<10 {
      let (before, behind) = (Int.random(in: 1...9, using: &random), Int.random(in: 1...9, using: &random))
      let ids = Array(repeating: 5, count: before) + [imagePlaceholderID] + Array(repeating: 6, count: behind)
      let pixels = try PicturePixels(Tensor.zeros([3, 56, 56], .float32, on: .cpu))
      var options = GenerationOptions()
      options.compression = try plan.map { try CompressionPlan($0) }
      let rows = PromptRows(Job(ids: ids, pictures: [.init(pixels: pixels, digest: "")], options: options), model)
      let visual =
        try plan.map { _ in try model.configuration.tokens(of: options.compression).decoder }
        ?? Array(repeating: 16, count: layers)
      let expected = visual.reduce(0.0) { $0 + Double($1 + before + behind) } / Double(layers)
      #expect(rows.count == before + behind + visual[0] && rows.tail == behind)
      #expect(abs(rows.cost(ofLast: rows.count) - expected) < 1e-9)
      #expect(rows.cost(ofLast: 0) == 0 && rows.cost(ofLast: behind) >= Double(behind))
      // A question that decides on tokens reads again what it leaves.
      let again = options.compression?.readsPrompt ?? false ? visual.filter { $0 < visual[0] }.reduce(0, +) : 0
      #expect(abs(rows.cost(ofLast: behind) - Double(behind) - Double(again) / Double(layers)) < 1e-9)
    }
  }
}
