import Distillation
import TestSupport
import Testing

/// The paper's formulas at points worked out by hand, and means in closed form.
@Suite struct CurriculumTests {
  private func expect(_ plan: PlannedStage, _ low: Double, _ high: Double, gap: Double, layer: Int = 2) {
    #expect(isClose(plan.studentRatios.lowerBound, low) && isClose(plan.studentRatios.upperBound, high), "\(plan)")
    #expect(isClose(plan.gap, gap) && plan.layer == layer && plan.teacherMinimum == 0, "\(plan)")
  }

  @Test func tokenOfThePaper() throws {
    let token = try curriculum("token")
    #expect(token.layers == 32)
    expect(token.plan(at: 0), 0, 0.05, gap: 0.05)
    expect(token.plan(at: 0.5), 0.25, 0.475, gap: 0.175)
    expect(token.plan(at: 1), 0.5, 0.9, gap: 0.3)
  }

  @Test func tokenOfTheCode() throws {
    let token = try curriculum("token", .code)
    for (progress, low, high, gap) in [
      (0, 0.1, 0.1, 0.1), (0.25, 0.14, 0.26, 0.225), (0.5, 0.18, 0.42, 0.3), (0.75, 0.22, 0.58, 0.3), (1, 0.26, 0.74, 0.3),
    ] {
      expect(token.plan(at: progress), low, high, gap: gap)
    }
    #expect(token.plan(at: 0).teacherRatios == 0...0)
  }

  /// The ramps are straight, so the student's mean is that of their ends: 0.3625 in the paper and 0.3 in the code.
  @Test func meansOverTraining() throws {
    let paper = try curriculum("token").meanRatios(over: 10_000)
    #expect(isClose(paper.student, 0.3625, 1e-4))
    let code = try curriculum("token", .code).meanRatios(over: 10_000)
    #expect(isClose(code.student, 0.3, 1e-4) && isClose(code.teacher, 0.06, 0.005))
    #expect(try isClose(curriculum("layer").meanRatios(over: 10).student, 0.55))
    let none = try curriculum("token").meanRatios(over: 0)
    #expect(isClose(none.student, 0.025))
  }

  /// The mean of max(0, r − Δ) over a uniform r in [a, b] with a < Δ < b is (b − Δ)² / (2(b − a)).
  @Test func teacherMeanInClosedForm() {
    let plan = PlannedStage(layer: 2, studentRatios: 0.1...0.7, gap: 0.3)
    #expect(isClose(plan.meanTeacherRatio, 0.16 / 1.2))
    #expect(isClose(PlannedStage(layer: 2, studentRatios: 0.5...0.9, gap: 0.3).meanTeacherRatio, 0.4))
    #expect(PlannedStage(layer: 2, studentRatios: 0.1...0.2, gap: 0.3).meanTeacherRatio == 0)
    #expect(isClose(PlannedStage(layer: 2, studentRatios: 0.4...0.4, gap: 0.3).meanTeacherRatio, 0.1))
    // Below 0.2 the teacher is the student, up to 0.5 it stays at 0.2.
    let floor = PlannedStage(layer: 2, studentRatios: 0...1, gap: 0.3, teacherMinimum: 0.2)
    #expect(floor.teacherRatio(for: 0.1) == 0.1 && floor.teacherRatio(for: 0.4) == 0.2)
    #expect(isClose(floor.meanTeacherRatio, 0.02 + 0.06 + 0.5 * 0.45))
  }

  @Test func layerRoundsTiesAsTold() throws {
    let up = try curriculum("layer")
    let even = try curriculum("layer") { $0.rounding = .halfEven }
    for (progress, halfUp, halfEven) in [(0, 32, 32), (0.1, 29, 29), (0.25, 25, 24), (0.5, 17, 17), (0.75, 10, 10), (1, 2, 2)] {
      expect(up.plan(at: progress), 0.2, 0.9, gap: 0.05 + 0.25 * progress, layer: halfUp)
      #expect(even.plan(at: progress).layer == halfEven)
    }
  }

  @Test func integratedRestartsAtEachLayer() throws {
    let integrated = try curriculum("integrated")
    for (progress, layer, inner) in [(0, 25, 0), (0.2, 25, 0.8), (0.25, 17, 0), (0.625, 10, 0.5), (0.75, 2, 0), (1, 2, 1.0)] {
      expect(
        integrated.plan(at: progress), 0.5 * inner, 0.05 + 0.85 * inner, gap: 0.05 + 0.25 * inner, layer: layer)
    }
  }

  @Test func fixedStaysWhereTokenEnds() throws {
    let fixed = try curriculum("fixed")
    let end = try curriculum("token").plan(at: 1)
    for progress in [0, 0.3, 1] { #expect(fixed.plan(at: progress) == end) }
    let code = try curriculum("fixed", .code).plan(at: 0.5)
    #expect(code.studentRatios == 0.889...0.889 && code.teacherRatios == 0...0)
  }

  @Test func holdKeepsTheEnd() throws {
    for name in ["token", "layer", "integrated"] {
      let plain = try curriculum(name)
      let held = try curriculum(name) { $0.hold = 0.2 }
      for progress in [0.8, 0.9, 1] { #expect(held.plan(at: progress) == plain.plan(at: 1)) }
      #expect(held.plan(at: 0.4) == plain.plan(at: 0.5) && held.plan(at: 0) == plain.plan(at: 0))
    }
  }

  @Test func drawsAreUniformAndFollowTheGenerator() throws {
    let token = try curriculum("token")
    var (first, second) = (SplitMix(seed: 7), SplitMix(seed: 7))
    var (student, teacher) = (0.0, 0.0)
    let count = 20_000
    for _ in 0..<count {
      let stage = token.stage(at: 0.6, using: &first)
      #expect(stage == token.stage(at: 0.6, using: &second))
      student += stage.studentRatio
      teacher += stage.teacherRatio
    }
    let plan = token.plan(at: 0.6)
    // The mean of n uniform numbers has a standard deviation of width / √(12n), here 0.0006.
    #expect(isClose(student / Double(count), plan.meanStudentRatio, 0.003))
    #expect(isClose(teacher / Double(count), plan.meanTeacherRatio, 0.003))
  }
}
