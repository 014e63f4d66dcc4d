import Compression
import Distillation
import Foundation
import TestSupport
import Testing

/// Budgets, weights and pulls of a nested curriculum at points worked out by hand, and what holds for any options.
@Suite struct NestedCurriculumTests {
  private func nested(_ change: (inout CurriculumOptions) -> Void = { _ in }) throws -> any Curriculum {
    let definition = try CurriculumDefinition.named("nested")
    var options = try definition.options()
    options.nested.tokens = 144
    options.layers = 6
    options.layer = 1
    change(&options)
    return try definition.curriculum(options)
  }

  @Test func aStepHasAllTokensOneBetweenAndASixteenth() throws {
    let plan = try nested().branches(step: 0, of: 10)
    #expect(plan.branches.map(\.role) == [.full, .between, .smallest] && plan.teacher == nil && plan.tokens == 144)
    #expect(plan.branches.map { $0.tokens(of: 144) } == [144...144, 9...144, 9...9])
    #expect(plan.branches.map(\.layers) == [[6], [1], [1]])
    #expect(plan.branches.allSatisfy { isClose($0.share, 1.0 / 3) })
    #expect(plan.branches.map(\.divergenceWeight) == [0, nil, nil])
    #expect(plan.branches.map { $0.pulls.map(\.target) } == [[], [.student(0)], [.student(0)]])
  }

  @Test func teachersPullAsTheySay() throws {
    func targets(_ teacher: NestedTeacher, every: Int = 1, step: Int = 0) throws -> [[Pull.Target]] {
      let plan = try nested {
        ($0.nested.teacher, $0.nested.between, $0.nested.fullEvery) = (teacher, 2, every)
      }.branches(step: step, of: 10)
      #expect((plan.teacher == .frozen) == (teacher == .frozen))
      for branch in plan.branches where !branch.pulls.isEmpty {
        #expect(isClose(branch.pulls.reduce(0) { $0 + $1.weight }, 1))
      }
      return plan.branches.map { $0.pulls.map(\.target) }
    }
    #expect(try targets(.none) == [[], [], [], []])
    #expect(try targets(.full) == [[], [.student(0)], [.student(0)], [.student(0)]])
    #expect(try targets(.chain) == [[], [.student(0)], [.student(1)], [.student(2)]])
    #expect(try targets(.frozen) == [[.teacher], [.teacher], [.teacher], [.teacher]])
    #expect(
      try targets(.mutual) == [[.student(1)], [.student(0), .student(2)], [.student(1), .student(3)], [.student(2)]])
    #expect(try targets(.mean) == [[.mean], [.mean], [.mean], [.mean]])
    // A step without the branch of all tokens: nothing to learn from it, and the chain begins at the next one.
    #expect(try targets(.full, every: 2, step: 1) == [[], [], []])
    #expect(try targets(.chain, every: 2, step: 1) == [[], [.student(0)], [.student(1)]])
    #expect(try targets(.full, every: 2, step: 2).count == 4)
    #expect(try targets(.full, every: 0, step: 0).count == 3)
  }

  @Test func tokensShrinkByEqualFactors() throws {
    let curriculum = try nested {
      ($0.nested.progression, $0.nested.between, $0.hold) = (.tokens, 2, 0.5)
    }
    func smallest(_ step: Int) -> Int { curriculum.branches(step: step, of: 100).branches[3].tokens(of: 144).lowerBound }
    #expect([0, 25, 50, 75].map(smallest) == [144, 36, 9, 9])
    let ranges = curriculum.branches(step: 25, of: 100).branches[1...2].map { $0.tokens(of: 144) }
    #expect(ranges == [72...144, 36...72])
  }

  @Test func layersComeFromDeepToShallow() throws {
    let curriculum = try nested {
      $0.nested.progression = .layers; $0.nested.cutLayers = [1, 3, 5]
    }
    func layers(_ step: Int) -> [Int] { curriculum.branches(step: step, of: 100).branches[2].layers }
    #expect(layers(0) == [5] && layers(49) == [5] && layers(50) == [5, 3] && layers(100) == [5, 3, 1])
    #expect(try nested { $0.nested.cutLayers = [1, 3] }.branches(step: 0, of: 9).branches[1].layers == [3, 1])
    // Without a list those of the integrated curriculum.
    let standard = try nested { $0.nested.progression = .layers }
    #expect(standard.branches(step: 9, of: 9).branches[1].layers == [5, 4, 2, 1])
  }

  @Test func weightsAreThoseAskedFor() throws {
    let plan = try nested {
      $0.nested.shares = [2, 1, 5]
      $0.nested.divergenceWeights = [0.1, 0.2, 1]
      $0.nested.teacher = .frozen
    }.branches(step: 0, of: 9)
    #expect(zip(plan.branches.map(\.share), [0.25, 0.125, 0.625]).allSatisfy { isClose($0, $1) })
    #expect(plan.branches.map(\.divergenceWeight) == [0.1, 0.2, 1])
    let ladder = try nested { $0.nested.ladder = [16, 64, 4] }.branches(step: 0, of: 9)
    #expect(ladder.branches.map { $0.tokens(of: 144).lowerBound } == [144, 64, 16, 9, 9])
  }

  @Test func oneBudgetForEachSample() throws {
    let plan = try nested { $0.nested.mixes = true }.branches(step: 0, of: 9)
    #expect(plan.branches.map(\.role) == [.mixed] && plan.teacher == .whole)
    var generators = [SplitMix(seed: 4)]
    var counts: [Int?: Int] = [:]
    for _ in 0..<8000 {
      let amount = plan.draw(&generators).students[0][0].amount
      if case .keep(let keep)? = amount { counts[keep, default: 0] += 1 } else { counts[nil, default: 0] += 1 }
    }
    // log(2 · 144 / 143.5) of log(2 · 144 / 9) sees all tokens, a fifth; a standard deviation is 0.0045.
    #expect(abs(Double(counts[nil] ?? 0) / 8000 - log(288 / 143.5) / log(32)) < 0.02)
    #expect(counts.keys.compactMap(\.self).allSatisfy { (9..<144).contains($0) })
  }

  /// Budgets are drawn in order, within their ranges, and follow the generator.
  @Test func drawnBudgetsStayInOrder() throws {
    var random = SplitMix(seed: 5)
    for _ in 0..<300 {
      let curriculum = try nested {
        $0.nested.tokens = Int.random(in: 1...700, using: &random)
        $0.nested.smallest = Bool.random(using: &random) ? nil : Int.random(in: 1...$0.nested.tokens, using: &random)
        $0.nested.between = Int.random(in: 0...4, using: &random)
        $0.nested.fullEvery = Int.random(in: 0...3, using: &random)
        $0.nested.progression = NestedProgression.allCases.randomElement(using: &random) ?? .none
        $0.nested.teacher = NestedTeacher.allCases.randomElement(using: &random) ?? .none
        $0.nested.mixes = Int.random(in: 0..<5, using: &random) == 0
      }
      let plan = curriculum.branches(step: Int.random(in: 0...20, using: &random), of: 20)
      #expect(isClose(plan.branches.reduce(0) { $0 + $1.share }, 1))
      var generators = (0..<3).map { SplitMix(seed: UInt64($0)) }
      var again = generators
      let drawn = plan.draw(&generators)
      #expect(drawn == plan.draw(&again))
      for sample in 0..<3 {
        let tokens = drawn.students.map { sights -> Int in
          if case .keep(let keep)? = sights[sample].amount { return keep }
          return plan.tokens
        }
        #expect(tokens == tokens.sorted(by: >))
        for (branch, count) in zip(plan.branches, tokens) { #expect(branch.tokens(of: plan.tokens).contains(count)) }
        for (branch, sights) in zip(plan.branches, drawn.students) { #expect(branch.layers.contains(sights[sample].layer)) }
      }
    }
  }

  @Test func whatMakesNoSenseIsRefused() throws {
    func refused(_ says: String, _ change: (inout NestedOptions) -> Void) {
      let error = #expect(throws: CurriculumError.self) { try nested { change(&$0.nested) } }
      #expect(error?.description.hasPrefix(says) == true, "\(error.map { "\($0)" } ?? "")")
    }
    refused("visual-tokens is 0") { $0.tokens = 0 }
    refused("smallest is 145") { $0.smallest = 145 }
    refused("between is 17") { $0.between = 17 }
    refused("ladder is []") { $0.ladder = [] }
    refused("ladder is [200]") { $0.ladder = [200] }
    refused("full-every is -1") { $0.fullEvery = -1 }
    refused("cut-layers is [7]") { $0.cutLayers = [7] }
    refused("shares is [1.0]") { $0.shares = [1] }
    refused("divergence-weights is [0.0, 2.0, 0.0]") { $0.divergenceWeights = [0, 2, 0] }
    let error = #expect(throws: CurriculumError.self) { try CurriculumDefinition.named("nested").options(.paper) }
    #expect(error?.description.hasSuffix("use preset epic-nested") == true)
    let other = #expect(throws: CurriculumError.self) { try CurriculumDefinition.named("token").options(.nested) }
    #expect(
      other?.description.contains("only for nested") == true && other?.description.hasSuffix("; use preset epic-paper") == true)
  }
}
