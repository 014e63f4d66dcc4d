import Compression
import Distillation
import Foundation
import TestSupport
import Testing

/// What a curriculum that tunes itself draws, admits and remembers.
@Suite struct AutoCurriculumTests {
  private func auto(_ change: (inout CurriculumOptions) -> Void = { _ in }) throws -> any Curriculum {
    let definition = try CurriculumDefinition.named("auto")
    var options = try definition.options()
    options.nested.tokens = 144
    (options.layers, options.layer, options.stages) = (6, 1, 2)
    change(&options)
    return try definition.curriculum(options)
  }

  private func choices(_ curriculum: any Curriculum, _ step: Int, _ steps: Int = 100) -> [BudgetChoice] {
    guard case .choices(let found) = curriculum.branches(step: step, of: steps).branches[1].amount else { return [] }
    return found
  }

  @Test func theGridGoesFromEasyToHard() throws {
    let state = try #require(auto().state)
    #expect(state.budgets == [102, 72, 51, 36, 25, 18, 13, 9] && state.layers == [4, 1])
    #expect(try choices(auto(), 0).map { [$0.layer, $0.tokens] } == [[4, 102]])
    // Whatever is learned, all of it is there after a quarter of training.
    #expect(try choices(auto(), 25).count == 16 && choices(auto(), 12).count == 4)
    let plan = try auto().branches(step: 25, of: 100)
    #expect(plan.branches.map(\.role) == [.full, .between, .smallest])
    #expect(plan.branches[2].tokens(of: 144) == 9...9)
    #expect(plan.branches.map { $0.pulls.map(\.target) } == [[], [.student(0)], [.student(0)]])
  }

  @Test func theModelAsItWasCanBeTheTeacher() throws {
    let plan = try auto { $0.nested.teacher = .frozen }.branches(step: 25, of: 100)
    #expect(plan.teacher == .frozen && plan.branches.map(\.role) == [.full, .between, .smallest])
    #expect(plan.branches.allSatisfy { $0.pulls.map(\.target) == [.teacher] && $0.divergenceWeight == nil })
    let usual = try auto().branches(step: 25, of: 100)
    #expect(usual.teacher == nil && usual.branches.map(\.divergenceWeight) == [0, nil, nil])
    #expect(plan.branches.map(\.amount) == usual.branches.map(\.amount))
    let error = #expect(throws: CurriculumError.self) { try auto { $0.nested.teacher = .chain } }
    #expect(error?.description.contains("teacher is chain, expected full or frozen") == true, "\(error.map { "\($0)" } ?? "")")
  }

  @Test func whatIsFarFromAllTokensIsDrawnMoreOften() throws {
    var curriculum = try auto { $0.stages = 1 }
    for (step, tokens) in [102, 72, 51, 36, 25, 18, 13, 9].enumerated() {
      curriculum.observe([.init(layer: 1, tokens: tokens, divergence: tokens == 25 ? 4 : 1)], step: 30 + step)
    }
    let found = choices(curriculum, 38)
    let hard = try #require(found.first { $0.tokens == 25 })
    let others = found.filter { $0.tokens != 25 }
    #expect(others.allSatisfy { $0.weight < hard.weight / 2 })
    // Of equal ones, the one that was not seen for longest.
    #expect(zip(others, others.dropFirst()).allSatisfy { $0.weight > $1.weight })
    var generators = [SplitMix(seed: 1)]
    let plan = curriculum.branches(step: 38, of: 100)
    let drawn = (0..<4000).map { _ in plan.draw(&generators).students[1][0].amount }
    let share = Double(drawn.count { $0 == .keep(25) }) / 4000
    #expect(abs(share - hard.weight / found.reduce(0) { $0 + $1.weight }) < 0.03)
  }

  @Test func whatIsNotSeenYetCountsAsHardest() throws {
    var curriculum = try auto { $0.stages = 1 }
    curriculum.observe([.init(layer: 1, tokens: 102, divergence: 0.5)], step: 0)
    curriculum.observe([.init(layer: 1, tokens: 72, divergence: 3)], step: 1)
    #expect(choices(curriculum, 50).filter { $0.tokens < 72 }.allSatisfy { $0.weight == 3 })
  }

  @Test func theNextOneIsAdmittedWhenThoseBeforeAreLearned() throws {
    var curriculum = try auto { $0.stages = 1 }
    func admitted() -> Int { choices(curriculum, 0, 1_000_000).map(\.tokens).min() ?? 0 }
    #expect(admitted() == 102)
    curriculum.observe([.init(layer: 1, tokens: 102, divergence: 1)], step: 0)
    #expect(admitted() == 102)
    for step in 1...12 { curriculum.observe([.init(layer: 1, tokens: 102, divergence: 0.1)], step: step) }
    #expect(admitted() == 72)
    // Next to nothing is learned at once.
    curriculum.observe([.init(layer: 1, tokens: 72, divergence: 0.01)], step: 13)
    #expect(admitted() == 51)
  }

  /// A state that went through JSON gives the same numbers to the last bit; one of another grid is not taken.
  @Test func itGoesOnFromItsState() throws {
    var random = SplitMix(seed: 8)
    var (whole, first) = (try auto(), try auto())
    func observe(_ curriculum: inout any Curriculum, _ step: Int, _ generator: inout SplitMix) {
      let plan = curriculum.branches(step: step, of: 60)
      var generators = [SplitMix(seed: UInt64(step))]
      let drawn = plan.draw(&generators)
      curriculum.observe(
        drawn.students[1...].compactMap { sights in
          guard case .keep(let tokens)? = sights[0].amount else { return nil }
          return ObservedBranch(
            layer: sights[0].layer, tokens: tokens, divergence: Double.random(in: 0...2, using: &generator))
        }, step: step)
    }
    for step in 0..<20 { observe(&whole, step, &random) }
    var (again, same) = (random, random)
    first.state = try JSONDecoder().decode(CurriculumState.self, from: JSONEncoder().encode(#require(whole.state)))
    for step in 20..<60 {
      observe(&whole, step, &again)
      observe(&first, step, &same)
    }
    #expect(whole.state == first.state && whole.branches(step: 60, of: 60) == first.branches(step: 60, of: 60))
    var other = try auto { $0.nested.smallest = 4 }
    let before = other.state
    other.state = whole.state
    #expect(other.state == before)
  }

  @Test func whatIsNotFiniteOrUnknownIsNotLearned() throws {
    var curriculum = try auto()
    let before = curriculum.state
    curriculum.observe(
      [
        .init(layer: 4, tokens: 102, divergence: .nan), .init(layer: 4, tokens: 5, divergence: 1),
        .init(layer: 9, tokens: 102, divergence: 1),
      ], step: 3)
    #expect(curriculum.state == before)
  }
}
