import Distillation
import Foundation
import TestSupport
import Testing

@Suite struct ScalarPrototypeTests {
  /// Without momentum the distance to the optimum shrinks by q = 1 − learningRate·curvature in each step.
  @Test func directPathInClosedForm() {
    var random = SplitMix(seed: 21)
    for _ in 0..<200 {
      var prototype = ScalarPrototype()
      prototype.momentum = 0
      prototype.ratio = Double.random(in: 0.1...1, using: &random)
      prototype.curvature = Double.random(in: 0.1...3, using: &random)
      prototype.shift = Double.random(in: -2...2, using: &random)
      prototype.learningRate = Double.random(in: 0.01...1, using: &random) / prototype.curvature
      prototype.steps = Int.random(in: 1...60, using: &random)
      let path = prototype.direct()
      let q = 1 - prototype.learningRate * prototype.curvature
      let way = prototype.shift * prototype.ratio
      let first = prototype.curvature * way * way / 2
      let steps = Double(prototype.steps)
      #expect(isClose(path.parameterVariation, abs(way) * (1 - pow(q, steps)), 1e-9))
      // Up to the first step's loss at once, then down to the last one's.
      #expect(isClose(path.lossVariation, first * (2 - pow(q, 2 * (steps - 1))), 1e-9))
      #expect(isClose(path.losses.max() ?? 0, first))
      #expect(path.parameters.count == prototype.steps + 1 && path.ratios.count == path.losses.count)
    }
  }

  /// A ratio that rises by δ in each step keeps the parameter at most shift·δ / (learningRate·curvature) behind its optimum.
  @Test func progressivePathStaysNearTheOptimum() {
    var prototype = ScalarPrototype()
    prototype.momentum = 0
    let path = prototype.progressive()
    let rise = prototype.ratio / (Double(prototype.steps) * (1 - prototype.hold))
    for (ratio, parameter) in zip(path.ratios, path.parameters) {
      #expect(abs(parameter - ratio) <= rise / prototype.learningRate + 1e-12)
    }
    // It never turns back, so its variation is where it ends; neither does the direct one, so θ alone shows no difference here.
    #expect(isClose(path.parameterVariation, path.parameters.last ?? 0))
    #expect(path.parameterVariation > prototype.direct().parameterVariation - 0.001)
    #expect(path.lossVariation < prototype.direct().lossVariation / 10)
  }

  @Test func progressiveVariesLessWhereDirectOvershoots() throws {
    let prototype = ScalarPrototype()
    let (direct, progressive) = (prototype.direct(), prototype.progressive())
    #expect(progressive.parameterVariation < direct.parameterVariation / 2)
    #expect(progressive.lossVariation < direct.lossVariation / 10)
    for path in [direct, progressive] {
      #expect(isClose(try #require(path.parameters.last), prototype.ratio * prototype.shift, 0.01))
      #expect(path.parameterVariation >= prototype.ratio * prototype.shift - 0.01)
    }
  }

  /// The slower the ratio rises, the less the loss varies.
  @Test func moreStepsVaryLess() {
    let variations = [100, 200, 400, 800].map { steps in
      var prototype = ScalarPrototype()
      prototype.steps = steps
      return prototype.progressive().lossVariation
    }
    #expect(zip(variations, variations.dropFirst()).allSatisfy { $1 < $0 })
  }
}
