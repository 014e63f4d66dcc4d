import EvaluationLayouts
import TestSupport
import Testing

@testable import Evaluation

/// What holds of every scorer, over random answers.
@Suite struct ScoreInvariantTests {
  private static let pool = [
    "Yes", "No", "no.", "A", "B", "B. x", "C", "The answer is B.", "red", "Red.", "stop 1", "unanswerable", "It says word 3",
    "$x^2$", "", "2",
    "è", "yes and no",
  ]

  @Test(arguments: BenchmarkRegistry.names)
  func scoresOfRandomAnswers(name: String) throws {
    let folder = try DataFolder()
    let right = try folder.make(name)
    let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
    var random = SplitMix(seed: 3)
    for round in 0..<12 {
      let share = Double(round) / 11
      let answers = Dictionary(
        uniqueKeysWithValues: benchmark.questions.map { question in
          let isRight = Double.random(in: 0..<1, using: &random) < share
          return (question.id, isRight ? right[question.id] ?? "" : Self.pool.randomElement(using: &random) ?? "")
        })
      for scorer in benchmark.definition.scorers {
        let score = try benchmark.score(answers, scorer: scorer)
        #expect(score.value >= -1e-9 && score.value <= score.maximum + 1e-9)
        #expect(score.samples.allSatisfy { (0...1).contains($0.value) })
        let sum = score.strata.reduce(0) { $0 + $1.weight * $1.mean }
        #expect(abs(sum - score.value) < 1e-9)
        for clustered in [false, true] {
          let estimate = score.estimate(clusteredByImage: clustered)
          #expect(estimate.lower <= score.value + 1e-9 && estimate.upper >= score.value - 1e-9)
          #expect(estimate.lower >= 0 && estimate.upper <= score.maximum)
        }

        // The order of the questions makes no difference.
        let shuffled = try benchmark.tally(benchmark.questions.shuffled(using: &random), answers, scorer)
        #expect(abs(shuffled.value - score.value) < 1e-9)
        #expect(Set(shuffled.figures.map(\.name)) == Set(score.figures.map(\.name)))
        for figure in shuffled.figures { #expect(abs(figure.value - (score.figure(figure.name) ?? -1)) < 1e-9, "\(figure.name)") }

        // A right answer for a wrong one never costs anything.
        if scorer == benchmark.definition.scorers[0], let question = benchmark.questions.randomElement(using: &random) {
          var better = answers
          better[question.id] = right[question.id]
          let change = try benchmark.score(better, scorer: scorer).difference(to: score)
          #expect(change.value >= -1e-9)
          #expect(change.lower <= change.value && change.value <= change.upper)
        }
      }
    }
  }

  /// Benchmarks whose scorer looks at words, not at letters, take any case; those that strip take spaces.
  @Test(arguments: ["vqav2", "gqa", "vizwiz", "textvqa", "mme", "ocrbench"])
  func caseMakesNoDifference(name: String) throws {
    let folder = try DataFolder()
    let answers = try folder.make(name).filter { !$0.key.hasPrefix("HME100k") }
    let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
    let plain = try benchmark.score(answers, missing: .leaveOut)
    let loud = try benchmark.score(answers.mapValues { $0.uppercased() }, missing: .leaveOut)
    #expect(plain.samples.map(\.value) == loud.samples.map(\.value))
    if name != "gqa" {
      let spaced = try benchmark.score(answers.mapValues { $0 + " \n" }, missing: .leaveOut)
      #expect(plain.samples.map(\.value) == spaced.samples.map(\.value))
    }
  }

  @Test func missingAndExtraAnswers() throws {
    let folder = try DataFolder()
    for name in BenchmarkRegistry.names {
      var answers = try folder.make(name)
      let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
      let last = benchmark.questions[benchmark.questions.count - 1].id
      answers[last] = nil
      let refusal = #expect(throws: EvaluationError.self) { try benchmark.score(answers) }
      #expect("\(try #require(refusal))".contains("\(name): 1 questions have no answer, the first is \(last)"))
      let score = try benchmark.score(answers, missing: .leaveOut)
      #expect(abs(score.percentage - 100) < 1e-9)
      #expect(score.notes.contains("1 questions without an answer left out"))
      switch benchmark.definition.originalMissing {
      case .aborts: #expect(throws: EvaluationError.self) { try benchmark.score(answers, missing: .original) }
      case .leavesOut: #expect(try benchmark.score(answers, missing: .original).value == score.value)
      case .handled: #expect(try benchmark.score(answers, missing: .original).samples.count == benchmark.questions.count)
      }
      answers[last] = "x"
      answers["nobody"] = "x"
      #expect(throws: EvaluationError.extraAnswers(benchmark: name, count: 1, first: "nobody")) { try benchmark.score(answers) }
      #expect(throws: EvaluationError.self) { try benchmark.score([:], missing: .leaveOut) }
      #expect(throws: EvaluationError.self) { try benchmark.score(answers, scorer: "mine") }
    }
  }
}
