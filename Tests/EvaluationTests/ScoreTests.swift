import EvaluationLayouts
import TestSupport
import Testing

@testable import Evaluation

/// Scores of whole benchmarks; numbers are the specification's, which came out of the official scorers.
@Suite struct ScoreTests {
  static func item<Reference>(
    _ id: String, _ reference: Reference, _ answer: String?, category: String = "default", group: String? = nil
  ) -> Answered<Reference> {
    let question = Question(id: id, fileID: .text(id), image: nil, prompt: "?", category: category, group: group)
    return Answered(question: question, reference: reference, given: answer)
  }

  static func isClose(_ one: Double?, _ other: Double, _ tolerance: Double = 0.005) -> Bool {
    one.map { abs($0 - other) <= tolerance } ?? false
  }

  private func pope(_ labels: String, _ answers: [String?], scorer: String = "llava") -> Tally {
    POPE.tally(
      zip(labels, answers).enumerated().map { Self.item("\($0)", $1.0 == "y", $1.1, category: "random") }, scorer: scorer)
  }

  @Test func popeMetrics() {
    func check(_ tally: Tally, _ accuracy: Double, _ precision: Double, _ recall: Double, _ f1: Double, _ yes: Double) {
      let expected = ["accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1, "yes-ratio": yes]
      for (name, value) in expected {
        #expect(Self.isClose(tally.figures.first { $0.name == "random/\(name)" }?.value, 100 * value), "\(name)")
      }
      #expect(Self.isClose(tally.value, 100 * f1))
    }
    check(pope("yyyynnnn", ["Yes", "Yes", "No", "yes", "No", "Yes", "No, not here", "no"]), 0.75, 0.75, 0.75, 0.75, 0.5)
    check(pope("yyynnn", ["Yes", "No", "Yes", "No", "No", "No"]), 0.8333, 1, 0.6667, 0.8, 0.3333)
    check(pope("yynnnn", ["Yes", "Yes", "Yes", "Yes", "No", "Yes"]), 0.5, 0.4, 1, 0.5714, 0.8333)
  }

  /// Where the original divides by zero, F1 is 0, precision is left out, and a note says so.
  @Test func popeWithoutTruePositives() {
    let tally = pope("y", ["No"])
    #expect(tally.value == 0)
    #expect(tally.figures.first { $0.name == "random/precision" } == nil)
    #expect(tally.notes.contains { $0.contains("divides by zero") })
  }

  /// LLaVA-1.5-13B's counts and published F1 scores.
  @Test func popeFullData() {
    let splits = [
      ("random", 1182, 31, 1379, 318, 0.871360), ("popular", 1182, 59, 1441, 318, 0.862459),
      ("adversarial", 1182, 117, 1383, 318, 0.844587),
    ]
    let answered = splits.flatMap { split, tp, fp, tn, fn, _ in
      [(true, "Yes", tp), (false, "Yes", fp), (false, "No", tn), (true, "No", fn)].flatMap { label, answer, count in
        (0..<count).map { Self.item("\(split) \(label) \(answer) \($0)", label, answer, category: split) }
      }
    }
    let tally = POPE.tally(answered, scorer: "llava")
    for (split, _, _, _, _, f1) in splits {
      #expect(Self.isClose(tally.figures.first { $0.name == "\(split)/f1" }?.value, 100 * f1, 0.00005))
    }
    #expect(tally.samples.count == 8910)
    #expect(Self.isClose(tally.value, 85.95))
    #expect(Self.isClose(tally.figures.first { $0.name == "mean accuracy" }?.value, 86.98))
    #expect(Self.isClose(POPE.tally(answered, scorer: "vlmevalkit").value, 85.93))
  }

  /// The original pairs answers and labels by order and stops at the shorter list.
  @Test func popeShiftsMissingAnswers() {
    let tally = pope("ynyn", [nil, "No", "Yes", "No"])
    let counts = Dictionary(uniqueKeysWithValues: tally.figures.map { ($0.name, $0.value) })
    #expect(counts["random/fn (count)"] == 2 && counts["random/fp (count)"] == 1 && counts["random/tp (count)"] == 0)
  }

  /// lmms-eval's strict comparison: "Yes." is wrong and in no cell; F1 is pooled over the splits.
  @Test func popeInLMMsEval() {
    let tally = pope("yyn", ["Yes.", "yes", "No"], scorer: "lmms-eval")
    #expect(tally.value == 100)
    #expect(Self.isClose(tally.figures.first { $0.name == "pooled/accuracy" }?.value, 66.67))
  }

  private func mme(_ answers: [[String]]) -> Tally {
    MME.tally(
      (MME.perception + MME.cognition).flatMap { subtask in
        answers.enumerated().flatMap { image, pair in
          pair.enumerated().map { place, answer in
            let reference = MME.Reference(question: "?", isYes: place == 0)
            return Self.item("\(subtask) \(image) \(place)", reference, answer, category: subtask, group: "\(subtask)/\(image)")
          }
        }
      }, scorer: "llava")
  }

  @Test func mmeScores() {
    for (answers, perSubtask) in [
      ([["Yes", "No"], ["yes.", "no"]], 200.0), ([["Yes", "Yes"], ["Yes", "Yes"]], 50),
      ([["Yes", "No"], ["No", "no."], ["The answer is yes", "Maybe"]], 83.3333),
    ] {
      let tally = mme(answers)
      let figures = Dictionary(uniqueKeysWithValues: tally.figures.map { ($0.name, $0.value) })
      #expect(Self.isClose(figures["perception"], 10 * perSubtask) && Self.isClose(figures["cognition"], 4 * perSubtask))
      #expect(Self.isClose(figures["celebrity"], perSubtask))
      #expect(Self.isClose(tally.value, 14 * perSubtask) && tally.maximum == 2800)
    }
    #expect(
      Self.isClose(
        mme([["Yes", "No"], ["No", "no."], ["The answer is yes", "Maybe"]]).figures.first { $0.name == "count/acc" }?.value, 50))
    #expect(
      Self.isClose(
        mme([["Yes", "No"], ["No", "no."], ["ok", "Maybe"]]).figures.first { $0.name == "count/acc+" }?.value, 33.33))
  }

  /// Base 7 with four copies all right, base 8 with the last wrong, base 9 with two copies answered "B." and "A".
  @Test func mmBenchToy() {
    let rows: [(Int, Int, String, String)] =
      (0..<4).map { (7, $0, "A", "A") } + (0..<4).map { (8, $0, "A", $0 == 3 ? "B" : "A") } + [
        (9, 0, "B", "B."), (9, 1, "A", "A"),
      ]
    let answered = rows.map { base, copy, gold, answer in
      let reference = MMBench.Reference(gold: gold, options: ["w", "x"], category: "c", level2: "l", row: 0)
      return Self.item("\(base + copy * 1_000_000)", reference, answer, group: "\(base)")
    }
    for (scorer, circular, vanilla) in [("exact", 33.33, 66.67), ("vlmevalkit", 66.67, 100), ("lmms-eval", 66.67, 100)] {
      let tally = MMBench.tally(answered, scorer: scorer)
      #expect(Self.isClose(tally.value, circular))
      #expect(Self.isClose(tally.figures.first { $0.name == "vanilla" }?.value, vanilla))
    }
  }

  @Test func gqaExample() {
    let rows = [
      ("red", "Red", "query"), ("red", "Red.", "query"), ("red", "the red", "query"), ("yes", "Yes", "verify"),
      ("no", "no...", "verify"),
      ("t-shirt", "t shirt", "query"), ("left", " Left", "choose"),
    ]
    let tally = GQA.tally(
      rows.enumerated().map { Self.item("\($0)", GQA.Reference(answer: $1.0, structure: $1.2), $1.1) }, scorer: "llava")
    #expect(Self.isClose(tally.value, 57.14))
    #expect(Self.isClose(tally.figures.first { $0.name == "open" }?.value, 50))
    #expect(Self.isClose(tally.figures.first { $0.name == "binary" }?.value, 66.67))
  }

  @Test func paperAverage() throws {
    let values = [72.2, 61.9, 52.5, 68.3, 58.1, 85.9, 1785, 64.1, 55.8, 319]
    var scores = Dictionary(uniqueKeysWithValues: zip(BenchmarkRegistry.paperNames, values))
    #expect(Self.isClose(try PaperAverage.value(of: scores), 61.445, 1e-9))
    #expect(PaperAverage.rounded(try PaperAverage.value(of: scores)) == 61.4)
    for (mean, printed) in [
      (61.724, 61.7), (61.425, 61.4), (61.266, 61.3), (59.381, 59.4), (57.539, 57.5), (62.170, 62.2), (57.601, 57.6),
      (46.367, 46.4),
      (57.552, 57.6), (59.929, 59.9), (55.859, 55.9), (55.667, 55.7), (58.078, 58.1), (57.753, 57.8),
    ] { #expect(PaperAverage.rounded(mean) == printed) }
    scores["mme"] = nil
    scores["gqa"] = nil
    #expect(throws: EvaluationError.incompleteAverage(missing: ["gqa", "mme"])) { try PaperAverage.value(of: scores) }
  }

  @Test func averageOfMiniatures() throws {
    let folder = try DataFolder()
    let scores = try BenchmarkRegistry.paperNames.map { name in
      let answers = try folder.make(name)
      return try BenchmarkRegistry.load(name, from: folder.url).score(answers)
    }
    #expect(Self.isClose(try PaperAverage.value(of: scores), 100, 1e-9))
    #expect(throws: EvaluationError.self) { try PaperAverage.value(of: Array(scores.dropLast())) }
  }
}
