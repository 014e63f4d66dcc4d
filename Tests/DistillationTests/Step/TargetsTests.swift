import Compression
import Language
import TestSupport
import Testing
import Torch

@testable import Distillation
@testable import LLaVA

/// Students that are pulled towards a teacher, towards each other and towards their mean, against as many complete passes.
@Suite struct TargetsTests {
  /// What the students and the teacher of a step see, and what pulls them.
  private struct Setting {
    var cuts: [(layer: Int, ratio: Double)] = []
    var students: [Student] = []
    let teacher: (layer: Int, ratio: Double)
    let frozen: LLaVAModel?
  }

  private func plan(_ c: StepCase, _ cut: (layer: Int, ratio: Double)) throws -> CompressionPlan? {
    let layers = c.model.configuration.text.layers
    return cut.ratio == 0 || cut.layer == layers
      ? nil : try CompressionPlan(c.compressor, layer: cut.layer, .ratio(cut.ratio))
  }

  /// Another model of the same shape, or one whose decoder alone is another.
  private func other(_ c: StepCase, _ seed: Int) throws -> LLaVAModel {
    let source = try RandomParameters(seed: UInt64(seed) + 500, dtype: .float32, deviation: 0.1)
    if seed % 2 == 0 { return try LLaVAModel(c.model.configuration, from: source) }
    let found = try c.model.frozen(training: [.decoder, .adapter])
    for parameter in found.parameters.parameters where parameter.group == .decoder {
      let noise = try source.parameter(parameter.name, shape: parameter.tensor.shape)
      try withoutGradient { _ = try parameter.tensor.addInPlace(noise) }
    }
    #expect(found.sharesEncoder(with: c.model))
    return found
  }

  private func setting(_ c: StepCase, _ seed: Int) throws -> Setting {
    var random = SplitMix(seed: UInt64(seed) + 31)
    let layers = c.model.configuration.text.layers
    func cut(_ ratio: Double) -> (layer: Int, ratio: Double) { (Int.random(in: 1...layers, using: &random), ratio) }
    let frozen = seed % 3 == 0 ? try other(c, seed) : nil
    var found = Setting(teacher: cut([0, 0.3][seed % 2]), frozen: frozen)
    let count = Int.random(in: 2...4, using: &random)
    for place in 0..<count {
      found.cuts.append(cut(place == 0 ? 0 : Double.random(in: 0.2...0.95, using: &random)))
      let others = (0..<count).filter { $0 != place }
      let targets: [Pull.Target] = [.teacher, .mean] + others.map { .student($0) }
      let pulls = targets.shuffled(using: &random).prefix(Int.random(in: 0...2, using: &random)).map {
        // A weight of 0 measures alone.
        Pull(towards: $0, weight: Bool.random(using: &random) ? Double.random(in: 0.1...1, using: &random) : 0.4)
      }
      found.students.append(
        Student(
          plans: [try plan(c, found.cuts[place])], crossEntropyWeight: [0, 0.5, 1][Int.random(in: 0..<3, using: &random)],
          pulls: pulls))
    }
    return found
  }

  private func stepCase(_ seed: Int) throws -> StepCase {
    var c = try StepCase(seed)
    c.options.divergence = Divergence.allCases[seed % 4]
    c.options.guidance = DivergenceGuidance.allCases[seed / 4 % 3]
    if c.options.guidance == .right { c.options.divergencePositions = .predicting }
    return c
  }

  /// Loss, the divergence of each pull, and gradients of as many complete passes.
  private func apart(
    _ c: StepCase, _ setting: Setting
  ) throws -> (total: Double, divergences: [[Double]], gradients: [String: Tensor]) {
    let naive = NaiveStep(c: c)
    let isNested = c.options.draws == .nested
    func seed(_ stream: UInt64) -> (TrainingSample) -> UInt64 { { isNested ? $0.seed : $0.seed ^ NaiveStep.stream(stream) } }
    let teacher = try withoutGradient {
      try naive.side(c.samples.map { _ in setting.teacher }, by: setting.frozen, seed(1))
    }
    let sides = try setting.cuts.enumerated().map { place, cut in
      try naive.side(c.samples.map { _ in cut }, seed(2 * UInt64(place)))
    }
    var total = try Tensor.zeros([])
    let scale = c.options.divergence == .hidden ? 1 : naive.scale
    var divergences: [[Double]] = []
    for (side, student) in zip(sides, setting.students) {
      total = try total + naive.crossEntropy(side) * student.crossEntropyWeight
      let found = try student.pulls.map { pull in
        switch pull.target {
        case .teacher: try naive.divergence(side, [teacher])
        case .student(let other): try naive.divergence(side, [sides[other]])
        case .mean: try naive.divergence(side, sides)
        }
      }
      for (pull, value) in zip(student.pulls, found) { total = try total + value * (pull.weight * scale) }
      divergences.append(try found.map { try $0.item() })
    }
    try total.backward()
    return (try total.item(), divergences, try c.takeGradients())
  }

  private func check(_ c: StepCase, _ seed: Int) throws {
    let setting = try setting(c, seed)
    let naive = try apart(c, setting)
    for recomputes in [false, true] {
      var options = c.options
      options.recomputesActivations = recomputes
      options.measuresGradients = seed % 5 == 0
      let loss = try DistillationStep(c.model, c.compressor, options)(
        c.samples, students: setting.students, teacher: Teacher(plans: [plan(c, setting.teacher)], model: setting.frozen))
      try loss.total.backward()
      let gradients = try c.takeGradients()
      #expect(try abs(loss.total.item() - naive.total) < 3e-5 * max(1, abs(naive.total)))
      for (place, expected) in naive.divergences.enumerated() {
        for (pull, value) in expected.enumerated() {
          let found = try loss.divergence(of: place, pull: pull)
          #expect(abs(found - value) < 1e-5 * max(1, value), "student \(place), \(setting.students[place].pulls[pull])")
        }
      }
      let worst = try distance(gradients, naive.gradients.filter { gradients[$0.key] != nil })
      #expect(worst.value < 3e-4, "\(worst.name), seed \(seed), \(options.divergence), \(options.guidance)")
      let silent = naive.gradients.filter { gradients[$0.key] == nil }
      #expect(try silent.allSatisfy { try $0.value.abs().max().item() < 1e-9 }, "\(silent.keys.sorted())")
    }
  }

  /// Every divergence under every guidance; teachers that are frozen, or of the same weights, or none that is asked.
  @Test(arguments: 0..<48) func pullsAreAsManySteps(_ seed: Int) throws { try check(stepCase(seed), seed) }

  @Test(arguments: 0..<12) func adaptersArePulledTheSame(_ seed: Int) throws {
    try check(stepCase(seed).withAdapters(seed: UInt64(seed)), seed)
  }

  /// A student that is its teacher's equal, token for token, is at no distance and is not pulled.
  @Test(arguments: Divergence.allCases) func equalsAreAtNoDistance(_ divergence: Divergence) throws {
    let c = try StepCase(0, layer: 2)
    var options = c.options
    options.divergence = divergence
    let two = (0..<2).map { place in
      Student(plans: [nil], crossEntropyWeight: 0, pulls: [Pull(towards: .student(1 - place), weight: 1)])
    }
    let loss = try DistillationStep(c.model, c.compressor, options)(c.samples, students: two)
    #expect(try loss.total.item() == 0 && loss.teacherSamples == 0)
  }

  @Test func theFrozenCopyStaysAsItWas() throws {
    let c = try StepCase(3)
    let frozen = try c.model.frozen(training: [.projector, .decoder])
    for (own, other) in zip(c.model.parameters.parameters, frozen.parameters.parameters) {
      #expect(own.name == other.name && (own.tensor === other.tensor) == (own.group == .tower))
      #expect(try own.tensor.detached().array(Float.self) == other.tensor.array(Float.self))
      #expect(own.group == .tower || !other.tensor.requiresGradient)
    }
    #expect(try c.model.frozen(training: [.decoder]).sharesEncoder(with: c.model))
  }

  @Test func targetsThatMakeNoSenseAreRefused() throws {
    let c = try StepCase(1, samples: 2)
    let step = try DistillationStep(c.model, c.compressor)
    func refused(_ pull: Pull, _ students: Int = 2) {
      let pulled = Student(plans: [nil], crossEntropyWeight: 1, pulls: [pull])
      let rest = Array(repeating: Student(plans: [nil], crossEntropyWeight: 1), count: students - 1)
      #expect(throws: DistillationError.self, "\(pull)") { try step(c.samples, students: [pulled] + rest) }
    }
    refused(Pull(towards: .teacher, weight: 1))
    refused(Pull(towards: .student(0), weight: 1))
    refused(Pull(towards: .student(2), weight: 1))
    refused(Pull(towards: .student(1), weight: -1))
    refused(Pull(towards: .student(1), weight: .nan))
    refused(Pull(towards: .mean, weight: 1), 1)
    var configuration = c.model.configuration
    configuration.text.vocabularySize += 8
    let foreign = try LLaVAModel(configuration, from: try RandomParameters(seed: 1, dtype: .float32, deviation: 0.1))
    let student = Student(plans: [nil], crossEntropyWeight: 1, divergenceWeight: 1)
    #expect(throws: DistillationError.self) {
      try step(c.samples, students: [student], teacher: Teacher(plans: [nil], model: foreign))
    }
  }
}
