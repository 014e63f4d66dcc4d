import Foundation
import TestSupport
import Testing

@testable import LoadTest

/// The load generator against a server of our own, and its numbers against closed forms.
@Suite struct LoadTests {
  /// Mean and variance of inter-arrival times: 1 / rate, and 1 / (rate² · burstiness).
  @Test(arguments: [0.25, 0.5, 1, 2, 8]) func arrivalTimes(_ burstiness: Double) {
    var plan = LoadPlan()
    plan.requests = 40_001
    let times = plan.times(rate: 5, burstiness: burstiness)
    let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
    #expect(abs(mean * 5 - 1) < 0.05 && abs(variance * 25 * burstiness - 1) < 0.15, "\(mean) \(variance)")
    #expect(times.first == 0 && gaps.allSatisfy { $0 >= 0 })
  }

  @Test func percentilesAreNearestRanks() throws {
    let spread = try #require(LoadReport.Spread((1...100).map { Double($0) / 1000 }.shuffled()))
    #expect(spread.p50 == 50 && spread.p90 == 90 && spread.p99 == 99 && spread.max == 100 && abs(spread.mean - 50.5) < 1e-9)
    #expect(LoadReport.Spread([0.007])?.p99 == 7 && LoadReport.Spread([]) == nil)
  }

  @Test func goodputCountsWhatWasQuick() {
    var plan = LoadPlan()
    (plan.goodFirst, plan.goodEach) = (100, 20)
    func sample(_ first: Double, _ total: Double) -> LoadSample {
      var sample = LoadSample()
      (sample.status, sample.first, sample.total, sample.newTokens, sample.isComplete) = (200, first, total, 11, true)
      return sample
    }
    var failed = LoadSample()
    failed.status = 429
    let report = LoadReport([sample(0.05, 0.15), sample(0.2, 0.3), sample(0.05, 0.5), failed], seconds: 2, plan)
    #expect(report.goodput == 0.5 && report.requestsPerSecond == 1.5 && report.tokensPerSecond == 16.5)
    #expect(report.all.requests == 4 && report.all.completed == 3 && report.all.failures == ["429": 1])
  }

  @Test func bothLoopsAgainstAServer() async throws {
    try await withServer { server in
      var plan = LoadPlan()
      (plan.url, plan.requests, plan.words, plan.newTokens) = ("http://127.0.0.1:\(server.port)", 12, 4, 5)
      plan.pictures = [Body.uri(Body.house)]
      plan.budgets = ["4", "16", nil]
      for arrival in [LoadPlan.Arrival.closed(concurrency: 4), .open(rate: 200, burstiness: 1)] {
        plan.arrival = arrival
        let report = try await LoadGenerator(plan).run()
        #expect(report.all.completed == 12 && report.all.failures.isEmpty)
        #expect(report.budgets.map(\.completed) == [4, 4, 4] && report.all.e2e?.count == 12)
        #expect(report.imagesPerSecond > 0)
      }
      #expect(try await server.isEmptied())
    }
    var nobody = LoadPlan()
    nobody.url = "http://127.0.0.1:1"
    await #expect(throws: LoadError.self) { _ = try await LoadGenerator(nobody).run() }
  }
}
