import Distillation
import TestSupport
import Testing

/// What holds for every curriculum of one student and one teacher with any options that make sense.
@Suite struct PropertyTests {
  private static let stagedNames = ["token", "layer", "integrated", "fixed"]

  private static func options(_ definition: CurriculumDefinition, using random: inout SplitMix) throws -> CurriculumOptions {
    var options = try definition.options()
    func rising(_ range: ClosedRange<Double>) -> Ramp {
      let a = Double.random(in: range, using: &random)
      if definition.name == "fixed" { return Ramp(constant: a) }
      return Ramp(
        a, Double.random(in: a...range.upperBound, using: &random), reached: Double.random(in: 0.01...1, using: &random))
    }
    let middle = Double.random(in: 0...1, using: &random)
    options.layers = Int.random(in: 1...80, using: &random)
    options.layer = Int.random(in: 1...options.layers, using: &random)
    options.studentMinimum = rising(0...middle)
    options.studentMaximum = rising(middle...1)
    options.gap = rising(0...1)
    options.teacherMinimum = Bool.random(using: &random) ? 0 : Double.random(in: 0...1, using: &random)
    options.rounding = Bool.random(using: &random) ? .halfUp : .halfEven
    options.stages = Int.random(in: 1...9, using: &random)
    options.hold = Bool.random(using: &random) ? 0 : Double.random(in: 0..<1, using: &random)
    return options
  }

  @Test(arguments: stagedNames) func stagesStayWithinTheirBounds(_ name: String) throws {
    let definition = try CurriculumDefinition.named(name)
    var random = SplitMix(seed: 11)
    for _ in 0..<250 {
      let options = try Self.options(definition, using: &random)
      let curriculum = try staged(definition, options)
      var layer = options.layers
      for progress in stride(from: 0, through: 1, by: 0.05) {
        let plan = curriculum.plan(at: progress)
        #expect((1...options.layers).contains(plan.layer) && plan.layer <= layer, "\(options)")
        layer = plan.layer
        #expect(plan.studentRatios.lowerBound >= 0 && plan.studentRatios.upperBound <= 1)
        #expect(plan.teacherRatios.lowerBound >= 0 && plan.teacherRatios.upperBound <= plan.studentRatios.upperBound)
        #expect(
          plan.teacherRatios.contains(plan.meanTeacherRatio) || isClose(plan.meanTeacherRatio, plan.teacherRatios.lowerBound))
        let stage = curriculum.stage(at: progress, using: &random)
        #expect(stage.layer == plan.layer && plan.studentRatios.contains(stage.studentRatio))
        #expect(stage.teacherRatio <= stage.studentRatio && plan.teacherRatios.contains(stage.teacherRatio))
      }
      #expect(layer == options.layer, "\(options)")
    }
  }

  /// Rising ramps give rising ranges: over all of training, or within each stage of `integrated`.
  @Test(arguments: stagedNames) func rangesRise(_ name: String) throws {
    let definition = try CurriculumDefinition.named(name)
    var random = SplitMix(seed: 12)
    for _ in 0..<200 {
      var options = try Self.options(definition, using: &random)
      options.hold = 0
      let curriculum = try staged(definition, options)
      let stages = name == "integrated" ? options.stages : 1
      for stage in 0..<stages {
        var (low, high, gap) = (0.0, 0.0, 0.0)
        for inner in stride(from: 0.05, through: 0.95, by: 0.1) {
          let plan = curriculum.plan(at: (Double(stage) + inner) / Double(stages))
          #expect(plan.studentRatios.lowerBound >= low && plan.studentRatios.upperBound >= high && plan.gap >= gap)
          (low, high, gap) = (plan.studentRatios.lowerBound, plan.studentRatios.upperBound, plan.gap)
        }
      }
    }
  }

  @Test func oneStageIsTheCurriculumOfTokens() throws {
    var random = SplitMix(seed: 13)
    let definition = try CurriculumDefinition.named("integrated")
    for _ in 0..<200 {
      var options = try Self.options(definition, using: &random)
      options.stages = 1
      let (integrated, token) = (try IntegratedCurriculum(options), try TokenCurriculum(options))
      for progress in stride(from: 0, through: 1, by: 0.1) {
        #expect(integrated.plan(at: progress) == token.plan(at: progress))
      }
    }
  }

  /// The layer of `layer` never strays further from its straight line than rounding takes it.
  @Test func layersLieOnTheirLine() throws {
    var random = SplitMix(seed: 14)
    let definition = try CurriculumDefinition.named("layer")
    for _ in 0..<200 {
      var options = try Self.options(definition, using: &random)
      options.hold = 0
      let curriculum = try LayerCurriculum(options)
      for progress in stride(from: 0, through: 1, by: 0.01) {
        let exact = Double(options.layers) - progress * Double(options.layers - options.layer)
        #expect(abs(Double(curriculum.plan(at: progress).layer) - exact) <= 0.5)
      }
    }
  }
}
