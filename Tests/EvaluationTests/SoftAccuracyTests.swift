import TestSupport
import Testing

@testable import Evaluation

@Suite struct SoftAccuracyTests {
  @Test func leaveOneOut() {
    for (count, expected) in [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (7, 1), (10, 1)] {
      let references = (0..<10).map { $0 < count ? "red" : "other \($0)" }
      #expect(abs(SoftAccuracy.score("red", references) - expected) < 1e-12)
      #expect(abs(SoftAccuracy.score("red", references.reversed()) - expected) < 1e-12)
    }
  }

  /// Prediction, references as (answer, count), and the scores in the order official, submitted, lmms-eval, m4c.
  ///
  /// lmms-eval before July 2025 is "submitted" throughout.
  static let table: [(String, [(String, Int)], [Double])] = [
    ("Yes", [("yes", 10)], [0, 100, 100, 100]), ("Yes", [("yes", 9), ("no", 1)], [100, 100, 100, 100]),
    ("2", [("two", 10)], [0, 0, 100, 100]), ("two", [("two", 10)], [100, 0, 100, 100]),
    ("T-shirt", [("t-shirt", 10)], [0, 0, 100, 100]),
    ("t shirt", [("t-shirt", 9), ("shirt", 1)], [100, 100, 100, 100]),
    ("Macy's", [("macy's", 9), ("macys", 1)], [100, 0, 100, 100]),
    ("1,000", [("1000", 5), ("1,000", 5)], [100, 100, 100, 100]),
    ("red,white", [("red and white", 5), ("red, white", 5)], [100, 0, 100, 0]),
    ("2", [("two", 7), ("2", 2), ("three", 1)], [100, 100, 100, 100]),
    ("tennis", [("tennis", 2), ("playing tennis", 8)], [60, 60, 60, 60]),
    ("the red one", [("red", 3), ("red one", 4), ("red 1", 3)], [100, 100, 100, 100]),
    ("", [("a", 5), ("b", 5)], [100, 100, 100, 100]),
  ]

  @Test(arguments: table.indices)
  func whichSideIsNormalised(row: Int) {
    let (prediction, counts, expected) = Self.table[row]
    let references = counts.flatMap { Array(repeating: $0.0, count: $0.1) }
    let scorers: [SoftAccuracy.Scorer] = [.vqaOfficial, .vqaSubmitted, .lmmsEval, .m4c]
    for (scorer, score) in zip(scorers, expected) {
      #expect(abs(100 * scorer.score(prediction, references).score - score) < 1e-9, "\(prediction) by \(scorer)")
    }
  }

  /// Official on the raw answer, on N1 of it, and lmms-eval.
  static let vizwiz: [(String, [(String, Int)], [Double])] = [
    ("Unanswerable", [("unanswerable", 6), ("grey", 4)], [100, 100, 100]),
    ("Grey", [("unanswerable", 7), ("grey", 3)], [90, 90, 90]),
    ("two", [("two", 8), ("2", 2)], [60, 60, 100]), ("Lay's", [("lay's", 6), ("chips", 4)], [100, 0, 100]),
    ("08/13/2011", [("08/13/2011", 5), ("8/13/11", 5)], [0, 0, 100]),
    ("unsuitable", [("unsuitable", 2), ("unanswerable", 8)], [60, 60, 60]),
  ]

  @Test(arguments: vizwiz.indices)
  func vizWizLeavesReferencesRaw(row: Int) {
    let (prediction, counts, expected) = Self.vizwiz[row]
    let references = counts.flatMap { Array(repeating: $0.0, count: $0.1) }
    for (scorer, score) in zip([SoftAccuracy.Scorer.vizwizOfficial, .vizwizSubmitted, .m4c], expected) {
      #expect(abs(100 * scorer.score(prediction, references).score - score) < 1e-9, "\(prediction) by \(scorer)")
    }
  }

  @Test func textVQAExample() {
    func references(_ counts: (String, Int)...) -> [String] { counts.flatMap { Array(repeating: $0.0, count: $0.1) } }
    let scores = [
      SoftAccuracy.Scorer.m4c.score("Acme", references(("acme", 3), ("acme co", 7))).score,
      SoftAccuracy.Scorer.m4c.score("1999.", references(("1999", 10))).score,
      SoftAccuracy.Scorer.m4c.score("Two", references(("two", 2), ("2", 1), ("three", 7))).score,
    ]
    for (score, expected) in zip(scores, [0.9, 1, 0.9]) { #expect(abs(score - expected) < 1e-12) }
    let mean = scores.reduce(0, +) / 3
    #expect(abs(100 * mean - 93.33) < 0.005)
  }

  /// In range; an answer that all ten gave is right; the order of the ten makes no difference.
  @Test func invariants() {
    let words = ["red", "Red", "two", "2", "the car", "T-shirt", "macy's", "3.5", "yes", ""]
    var random = SplitMix(seed: 2)
    for _ in 0..<500 {
      let references = (0..<10).map { _ in words.randomElement(using: &random) ?? "" }
      let answer = words.randomElement(using: &random) ?? ""
      for scorer in SoftAccuracy.Scorer.allCases {
        let score = scorer.score(answer, references).score
        #expect((0...1).contains(score))
        #expect(scorer.score(answer, references.shuffled(using: &random)).score == score)
      }
      for scorer in [SoftAccuracy.Scorer.m4c, .lmmsEval, .vlmevalkit] {
        #expect(scorer.score(answer, Array(repeating: answer, count: 10)).score == 1)
        #expect(scorer.score(" \(answer.uppercased())\n", references).score == scorer.score(answer, references).score)
      }
    }
  }
}
