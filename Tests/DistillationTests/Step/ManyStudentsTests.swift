import Compression
import Language
import TestSupport
import Testing
import Torch

@testable import Distillation
@testable import LLaVA

/// Several students and a teacher from one trunk against as many complete passes.
@Suite struct ManyStudentsTests {
  /// Budgets of one step: where each student is cut, at which ratio, and what its terms weigh; ratio 0 keeps all tokens.
  private struct Budget {
    let layer: Int
    let ratio: Double
    let weights: (crossEntropy: Double, divergence: Double)
  }

  private func plan(_ c: StepCase, _ layer: Int, _ ratio: Double) throws -> CompressionPlan? {
    let layers = c.model.configuration.text.layers
    return ratio == 0 || layer == layers ? nil : try CompressionPlan(c.compressor, layer: layer, .ratio(ratio))
  }

  /// The step's loss and gradients.
  private func together(
    _ c: StepCase, _ budgets: [Budget], _ teacher: (layer: Int, ratio: Double), recomputes: Bool
  ) throws -> (total: Double, gradients: [String: Tensor]) {
    var options = c.options
    options.recomputesActivations = recomputes
    let students = try budgets.map {
      Student(
        plans: [try plan(c, $0.layer, $0.ratio)], crossEntropyWeight: $0.weights.crossEntropy,
        divergenceWeight: $0.weights.divergence)
    }
    let loss = try DistillationStep(c.model, c.compressor, options)(
      c.samples, students: students, teacher: Teacher(plans: [plan(c, teacher.layer, teacher.ratio)]))
    try loss.total.backward()
    return (try loss.total.item(), try c.takeGradients())
  }

  /// The sum over complete passes, one for each student, and one for the teacher.
  private func apart(
    _ c: StepCase, _ budgets: [Budget], _ teacher: (layer: Int, ratio: Double)
  ) throws -> (total: Double, gradients: [String: Tensor]) {
    let naive = NaiveStep(c: c)
    let isNested = c.options.draws == .nested
    let target = try withoutGradient {
      try naive.side(c.samples.map { _ in teacher }) { isNested ? $0.seed : $0.seed ^ NaiveStep.stream(1) }
    }
    var sum = 0.0
    for (index, budget) in budgets.enumerated() {
      let side = try naive.side(c.samples.map { _ in (budget.layer, budget.ratio) }) {
        isNested ? $0.seed : $0.seed ^ NaiveStep.stream(2 * UInt64(index))
      }
      let (ce, kl) = try naive.terms(side, target)
      let total = try ce * budget.weights.crossEntropy + kl * (budget.weights.divergence * naive.scale)
      try total.backward()
      sum += try total.item()
    }
    return (sum, try c.takeGradients())
  }

  private func budgets(_ random: inout SplitMix, _ layers: Int) -> [Budget] {
    (0..<3).map { index in
      // One keeps all tokens.
      Budget(
        layer: Int.random(in: 1...layers, using: &random), ratio: index == 0 ? 0 : Double.random(in: 0.2...0.95, using: &random),
        weights: (Double.random(in: 0.1...1, using: &random), index == 0 ? 0 : Double.random(in: 0.1...1, using: &random)))
    }.shuffled(using: &random)
  }

  private func check(_ c: StepCase, _ seed: Int, teacher ratio: Double, gradients tolerance: Double = 1e-4) throws {
    var random = SplitMix(seed: UInt64(seed) + 77)
    let layers = c.model.configuration.text.layers
    let budgets = budgets(&random, layers)
    let teacher = (layer: Int.random(in: 1...layers, using: &random), ratio: ratio)
    let naive = try apart(c, budgets, teacher)
    for recomputes in [false, true] {
      let found = try together(c, budgets, teacher, recomputes: recomputes)
      #expect(try abs(found.total - naive.total) < max(2e-5, tolerance / 10))
      let worst = try distance(found.gradients, naive.gradients)
      #expect(worst.value < tolerance, "\(worst.name), seed \(seed), recomputing \(recomputes)")
    }
  }

  /// Samples with several images, one or none; dart, fastv, random and uniform; students cut at layers of their own.
  @Test(arguments: 0..<32) func studentsOfOneStepAreAsManySteps(_ seed: Int) throws {
    let c = try StepCase(seed, positions: .predicting)
    try check(c, seed, teacher: [0, 0.3][seed / 4 % 2])
  }

  /// As the curricula `nested` and `auto` ask it, on pictures and sounds that have tokens by their sizes.
  @Test(arguments: 0..<10) func studentsOfEveryFamilyAreAsManySteps(_ seed: Int) throws {
    let preset = FamilyStepTests.presets[seed % 5]
    try check(StepCase(seed, preset: preset, samples: 2, positions: .predicting), seed, teacher: 0, gradients: 1e-3)
  }

  @Test(arguments: 0..<8) func adaptersLearnTheSame(_ seed: Int) throws {
    let c = try StepCase(seed, positions: .predicting).withAdapters(seed: UInt64(seed))
    try check(c, seed, teacher: 0)
  }

  /// A student that is only watched adds nothing to any gradient, and has its terms all the same.
  @Test(arguments: 0..<4) func aWatchedStudentLearnsNothing(_ seed: Int) throws {
    let c = try StepCase(seed, layer: 2, positions: .predicting)
    let step = try DistillationStep(c.model, c.compressor, c.options)
    let learner = Student(plans: [try plan(c, 2, 0.5)], crossEntropyWeight: 1, divergenceWeight: 0)
    var watched = Student(plans: [try plan(c, 1, 0.8)], crossEntropyWeight: 1, divergenceWeight: 0)
    watched.recordsGradients = false
    let alone = try step(c.samples, students: [learner])
    try alone.total.backward()
    let expected = try c.takeGradients()
    let both = try step(c.samples, students: [learner, watched])
    try both.total.backward()
    #expect(try distance(c.takeGradients(), expected).value < 1e-5)
    #expect(try abs(both.total.item() - alone.total.item() - both.crossEntropy(of: 1)) < 1e-5)
    #expect(try both.crossEntropy(of: 1) != both.crossEntropy(of: 0))
  }

  @Test func studentsThatMakeNoSenseAreRefused() throws {
    let c = try StepCase(1, samples: 2)
    let step = try DistillationStep(c.model, c.compressor)
    func refused(_ students: [Student]) { #expect(throws: DistillationError.self) { try step(c.samples, students: students) } }
    refused([])
    refused([Student(plans: [nil], crossEntropyWeight: -1, divergenceWeight: 0)])
    refused([Student(plans: [nil], crossEntropyWeight: 1, divergenceWeight: 1)])
    refused([Student(plans: [nil, nil, nil], crossEntropyWeight: 1, divergenceWeight: 0)])
  }
}
