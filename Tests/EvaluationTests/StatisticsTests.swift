import EvaluationLayouts
import TestSupport
import Testing

@testable import Evaluation

@Suite struct StatisticsTests {
  private func score(_ values: [[Double]], clusters: [[String]]? = nil, weights: [Double]? = nil, maximum: Double = 100)
    -> BenchmarkScore
  {
    let strata = values.enumerated().map { part, values in
      BenchmarkScore.Stratum(
        name: "\(part)", weight: weights?[part] ?? 100,
        units: values.enumerated().map {
          BenchmarkScore.Unit(id: "\($0)", value: $1, cluster: clusters?[part][$0] ?? "\(part) \($0)")
        })
    }
    return BenchmarkScore(
      benchmark: "x", split: "y", prompt: "z", scorer: "s", Tally(samples: [], strata: strata, maximum: maximum), notes: [])
  }

  /// Values as they are printed in tables of Wilson's interval.
  @Test func wilson() {
    for (successes, count, lower, upper) in [
      (8, 10, 0.4901625, 0.9433178), (0, 10, 0, 0.2775328), (10, 10, 0.7224672, 1), (1, 1, 0.2065493, 1),
    ] {
      let estimate = Estimate.wilson(successes: successes, of: count)
      #expect(abs(estimate.lower - lower) < 1e-6 && abs(estimate.upper - upper) < 1e-6)
    }
    let share = score([[1, 1, 1, 1, 1, 1, 1, 1, 0, 0]]).estimate()
    #expect(share.value == 80 && abs(share.lower - 49.01625) < 1e-4 && abs(share.upper - 94.33178) < 1e-4)
  }

  /// s / √n, and of a weighted sum of means the root of the sum of squares.
  @Test func meansAndSums() {
    let values = [0.3, 0.6, 1, 0, 0.9, 1, 1, 0.3]
    let mean = values.reduce(0, +) / 8
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 7
    let estimate = score([values]).estimate()
    #expect(abs(estimate.value - 100 * mean) < 1e-9)
    #expect(abs((estimate.upper - estimate.value) - 100 * 1.959964 * (variance / 8).squareRoot()) < 1e-4 || estimate.upper == 100)
    #expect(abs((estimate.value - estimate.lower) - 100 * 1.959964 * (variance / 8).squareRoot()) < 1e-4)

    // Two parts of many units: close to the exact formula, which takes n − 1 of each part.
    var random = SplitMix(seed: 4)
    let parts = (0..<2).map { _ in (0..<500).map { _ in Double.random(in: 0...2, using: &random) } }
    let squared = parts.reduce(0) { sum, part in
      let mean = part.reduce(0, +) / 500
      return sum + part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 499 / 500
    }
    let both = score(parts, weights: [100, 100], maximum: 400).estimate()
    #expect(abs((both.upper - both.value) / (196 * squared.squareRoot()) - 1) < 0.01)
  }

  /// Questions that are copies of each other count once: the clustered interval is that of single ones.
  @Test func clusters() {
    let single = [1.0, 0, 0.5, 1, 0, 0.25]
    let twice = single.flatMap { [$0, $0] }
    let names = single.indices.flatMap { ["image \($0)", "image \($0)"] }
    let one = score([single]).estimate()
    let two = score([twice], clusters: [names])
    #expect(abs(two.estimate(clusteredByImage: true).lower - one.lower) < 1e-9)
    #expect(two.estimate().lower > one.lower)
    #expect(score([[0.5]]).estimate() == Estimate(value: 50, lower: 0, upper: 100))
  }

  @Test func pairedDifference() throws {
    let (one, two) = ([1.0, 1, 0, 1, 1], [1.0, 0, 0, 1, 0])
    let change = try score([one]).difference(to: score([two]))
    // Differences 0, 1, 0, 0, 1: mean 0.4, variance 0.3.
    #expect(abs(change.value - 40) < 1e-9)
    #expect(abs(change.upper - (40 + 195.9964 * (0.3 / 5).squareRoot())) < 1e-3)
    let back = try score([two]).difference(to: score([one]))
    #expect(back.value == -change.value && back.lower == -change.upper)
    let none = try score([one]).difference(to: score([one]))
    #expect(none == Estimate(value: 0, lower: 0, upper: 0))
    #expect(throws: EvaluationError.self) { try score([one]).difference(to: score([[1, 0]])) }
  }

  /// The linearised error of F1 agrees with the jackknife, which computes F1 anew without each answer.
  @Test func errorOfF1() {
    var random = SplitMix(seed: 5)
    let verdicts = (0..<400).map { index -> POPE.Verdict in
      let label = Bool.random(using: &random)
      let answer = Double.random(in: 0..<1, using: &random) < 0.8 ? label : !label
      return POPE.Verdict(id: "\(index)", image: "", label: label, answer: answer)
    }
    let counts = BinaryCounts(verdicts)
    let stratum = counts.stratum("all", verdicts, weight: 100)
    #expect(abs(stratum.mean - counts.f1) < 1e-12)
    let left = verdicts.indices.map { index in
      BinaryCounts(Array(verdicts[..<index] + verdicts[(index + 1)...])).f1
    }
    let mean = left.reduce(0, +) / 400
    let jackknife = (left.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * 399 / 400).squareRoot()
    let tally = Tally(samples: [], strata: [stratum])
    let estimate = BenchmarkScore(benchmark: "", split: "", prompt: "", scorer: "", tally, notes: []).estimate()
    #expect(abs((estimate.upper - estimate.value) / (195.9964 * jackknife) - 1) < 0.01)
  }

  @Test func onlyLikeIsCompared() throws {
    let folder = try DataFolder()
    let answers = try folder.pope()
    let benchmark = try BenchmarkRegistry.load("pope", from: folder.url)
    let score = try benchmark.score(answers)
    #expect(throws: EvaluationError.self) { try score.difference(to: benchmark.score(answers, scorer: "vlmevalkit")) }
    #expect(throws: EvaluationError.self) {
      try score.difference(to: benchmark.score(answers.filter { $0.key != "3" }, missing: .leaveOut))
    }
    #expect(try score.difference(to: score, clusteredByImage: true).value == 0)
  }
}
