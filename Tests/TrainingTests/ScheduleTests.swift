import Foundation
import TestSupport
import Testing
import Training

@Suite struct ScheduleTests {
  private struct Index: Decodable {
    struct Example: Decodable {
      let total, warmup_steps: Int
      let warmup_ratio: Double
      let points: [Int]
      let multipliers: [Double]
    }
    let total_steps, warmup_steps: Int
    let warmup_ratio: Double
    let lr_multipliers_100: [Double]
    let schedule_examples: [Example]
  }

  private func isClose(_ found: Double, _ expected: Double) -> Bool {
    abs(found - expected) <= 1e-12 + 1e-9 * abs(expected)
  }

  @Test func cosineIsTransformers() throws {
    let index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("optimizer/index.json")))
    let whole = try LearningRateSchedule(.cosine, steps: index.total_steps, warmupRatio: index.warmup_ratio)
    #expect(whole.warmupSteps == index.warmup_steps)
    for (step, expected) in try Fixtures.some(index.lr_multipliers_100).enumerated() {
      #expect(isClose(whole.factor(at: step), expected))
    }
    for example in try Fixtures.some(index.schedule_examples) {
      let schedule = try LearningRateSchedule(.cosine, steps: example.total, warmupRatio: example.warmup_ratio)
      #expect(schedule.warmupSteps == example.warmup_steps)
      for (step, expected) in zip(example.points, example.multipliers) {
        #expect(isClose(schedule.factor(at: step), expected), "\(example.total) steps, at \(step)")
      }
    }
  }

  /// LLaVA's instruction tuning: 5198 steps, of which ceil(0.03 · 5198) = 156 warm up.
  @Test func instructionTuning() throws {
    let schedule = try LearningRateSchedule(.cosine, steps: 5198, warmupRatio: 0.03)
    #expect(schedule.warmupSteps == 156 && schedule.factor(at: 0) == 0 && schedule.factor(at: 156) == 1)
    #expect(schedule.factor(at: 5197) < 1e-6)
  }

  @Test func linearAndConstantInClosedForm() throws {
    let linear = try LearningRateSchedule(.linear, steps: 20, warmupRatio: 0.21)
    #expect(linear.warmupSteps == 5)
    #expect([0, 1, 5, 6, 15, 20, 25].map { linear.factor(at: $0) } == [0, 0.2, 1, 14.0 / 15, 5.0 / 15, 0, 0])
    let constant = try LearningRateSchedule(.constant, steps: 10, warmupRatio: 0.2)
    #expect([0, 1, 2, 9, 10, 99].map { constant.factor(at: $0) } == [0, 0.5, 1, 1, 1, 1])
    #expect(try LearningRateSchedule(.constant, steps: 10, warmupRatio: 0).factor(at: 0) == 1)
    let decaying = try LearningRateSchedule(.constantDecay, steps: 10, warmupRatio: 0.2, decayRatio: 0.4)
    #expect([0, 1, 2, 6, 7, 8, 9, 10, 99].map { decaying.factor(at: $0) } == [0, 0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0])
    #expect(try LearningRateSchedule(.constantDecay, steps: 10, warmupRatio: 0, decayRatio: 0).factor(at: 9) == 1)
  }

  @Test(arguments: LearningRateSchedule.Shape.allCases) func factorsRiseThenFall(_ shape: LearningRateSchedule.Shape) throws {
    var random = SplitMix(seed: 31)
    for _ in 0..<200 {
      let steps = Int.random(in: 0...60, using: &random)
      let schedule = try LearningRateSchedule(shape, steps: steps, warmupRatio: Double.random(in: 0...1, using: &random))
      let factors = (-1...steps + 5).map { schedule.factor(at: $0) }
      #expect(factors.allSatisfy { (0...1).contains($0) })
      let top = schedule.warmupSteps + 1
      #expect(zip(factors[..<top], factors[..<top].dropFirst()).allSatisfy { $0 <= $1 })
      // A line of no length ends at once.
      #expect(factors[top] == ([.linear, .constantDecay].contains(shape) && schedule.warmupSteps == steps ? 0 : 1))
      #expect(zip(factors[top...], factors[top...].dropFirst()).allSatisfy { $0 >= $1 })
    }
  }

  @Test func badOptionsAreNamedTogether() {
    let error = #expect(throws: OptimizationError.self) { try LearningRateSchedule(.cosine, steps: -1, warmupRatio: .nan) }
    #expect(
      error?.description
        == "steps is -1, expected 0 or more; warmup-ratio is nan, expected a fraction of training within 0...1")
  }
}
