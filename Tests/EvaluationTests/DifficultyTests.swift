import TestSupport
import Testing

@testable import Evaluation

/// Groups of questions by what a smaller picture answers.
@Suite struct DifficultyTests {
  private func score(_ values: [String: Double]) -> BenchmarkScore {
    let samples = values.sorted { $0.key < $1.key }.map {
      BenchmarkScore.Sample(id: $0.key, value: $0.value, parsed: "", image: nil)
    }
    return BenchmarkScore(benchmark: "gqa", split: "s", prompt: "p", scorer: "o", Tally(meanOf: samples), notes: [])
  }

  /// Every pair of right and wrong answers, counted by hand.
  @Test func groupsAreThoseOfTheDefinition() {
    let groups = DifficultyGroups(
      full: score(["a": 1, "b": 1, "c": 0, "d": 0.6, "e": 1]), smaller: score(["a": 0, "b": 1, "c": 1, "d": 0.3]))
    // c is wrong with all tokens, e has no other answer.
    #expect(groups.hard == ["a", "d"] && groups.easy == ["b"])
    let found = groups.score(score(["a": 1, "b": 0.5, "c": 1, "d": 0]))
    #expect(found.hard == .init(questions: 2, right: 1) && found.easy == .init(questions: 1, right: 1))
    #expect(found.hard.percentage == 50)
    // A missing answer is a wrong one.
    #expect(groups.score(score(["d": 1])).easy == .init(questions: 1, right: 0))
  }

  /// Right with all tokens is hard or easy, and the smaller picture itself is right on all that is easy and on nothing that is hard.
  @Test(arguments: 0..<20) func theSmallerPictureIsTheMeasure(_ seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    func drawn() -> [String: Double] {
      Dictionary(uniqueKeysWithValues: (0..<60).map { ("\($0)", Double(Int.random(in: 0...10, using: &random)) / 10) })
    }
    let (full, smaller) = (drawn(), drawn())
    let groups = DifficultyGroups(full: score(full), smaller: score(smaller))
    #expect(groups.hard.count + groups.easy.count == full.count { $0.value >= 0.5 })
    let own = groups.score(score(smaller))
    #expect(own.hard.right == 0 && own.easy.right == own.easy.questions)
    let all = groups.score(score(full))
    #expect(all.hard.right == all.hard.questions && all.easy.right == all.easy.questions)
    #expect(DifficultyScore.Group(questions: 0, right: 0).percentage == nil)
  }
}
