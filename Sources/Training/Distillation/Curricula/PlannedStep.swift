import Compression
import Foundation

/// What a curriculum says about a step before anything is drawn: its branches that learn, and its teacher.
public struct PlannedStep: Sendable, Equatable {
  /// A branch that learns.
  public struct Branch: Sendable, Equatable {
    /// What it is called in logs.
    public var role: BranchRole
    /// The layers before which its tokens may be dropped; each sample's is drawn from them.
    public var layers: [Int]
    /// How many visual tokens it keeps.
    public var amount: PlannedAmount
    /// Its part of the loss.
    public var share: Double
    /// λ: the part of its share that its divergence has; nil for that of the run.
    public var divergenceWeight: Double?
    /// What pulls it, each with its part of the divergence; where there is nothing, λ counts as 0.
    public var pulls: [Pull]

    /// A branch of its parts.
    public init(
      _ role: BranchRole, layers: [Int], amount: PlannedAmount, share: Double, divergenceWeight: Double? = nil, pulls: [Pull] = []
    ) {
      (self.role, self.layers, self.amount, self.share) = (role, layers, amount, share)
      (self.divergenceWeight, self.pulls) = (divergenceWeight, pulls)
    }
  }

  /// What a branch without gradient sees.
  public enum Teacher: Sendable, Equatable {
    /// Some more tokens than the first branch, as a stage says.
    case behind(PlannedStage)
    /// All tokens, with the weights as they are.
    case whole
    /// All tokens, with the weights that training began with.
    case frozen
  }

  /// Those that learn.
  public var branches: [Branch]
  /// What pulls towards `.teacher` are taken from.
  public var teacher: Teacher?
  /// Visual tokens of a picture; more are never kept.
  public var tokens = Int.max

  /// A step of its parts.
  public init(_ branches: [Branch], teacher: Teacher? = nil, tokens: Int = .max) {
    (self.branches, self.teacher, self.tokens) = (branches, teacher, tokens)
  }

  /// One student and its teacher.
  public init(_ stage: PlannedStage) {
    let student = Branch(
      .student, layers: [stage.layer], amount: .ratios(stage.studentRatios), share: 1,
      pulls: [Pull(towards: .teacher, weight: 1)])
    self.init([student], teacher: .behind(stage))
  }
}

/// What a branch is for.
public enum BranchRole: String, Sendable, Codable, CaseIterable {
  /// The one student of a step.
  case student
  /// All tokens.
  case full
  /// A budget between all tokens and the smallest.
  case between
  /// The smallest budget.
  case smallest
  /// Another budget for each sample, all tokens among them.
  case mixed
}

/// How many visual tokens of a picture a branch keeps, before anything is drawn.
public enum PlannedAmount: Sendable, Equatable {
  /// All.
  case all
  /// What is left of a ratio that is uniform in this range.
  case ratios(ClosedRange<Double>)
  /// A number whose logarithm is uniform in that of this range, kept exactly.
  case tokens(ClosedRange<Double>)
  /// One of several numbers, each before a layer of its own, by their weights.
  case choices([BudgetChoice])
}

/// A number of tokens before a layer, and how likely it is drawn.
public struct BudgetChoice: Sendable, Equatable {
  /// Decoder layers before the cut.
  public var layer: Int
  /// Visual tokens of a picture that stay.
  public var tokens: Int
  /// In proportion to the others'.
  public var weight: Double

  /// A choice of its parts.
  public init(layer: Int, tokens: Int, weight: Double) { (self.layer, self.tokens, self.weight) = (layer, tokens, weight) }
}

extension PlannedStep.Branch {
  /// The smallest and the largest number of tokens that can be drawn, of pictures of `total` tokens.
  public func tokens(of total: Int) -> ClosedRange<Int> {
    func whole(_ value: Double) -> Int { Int(min(max(0, value.rounded()), Double(total))) }
    switch amount {
    case .all: return total...total
    case .ratios(let range): return whole((1 - range.upperBound) * Double(total))...whole((1 - range.lowerBound) * Double(total))
    case .tokens(let range): return whole(range.lowerBound)...whole(range.upperBound)
    case .choices(let choices):
      let low = choices.map(\.tokens).min() ?? total
      return min(low, total)...max(min(low, total), min(total, choices.map(\.tokens).max() ?? total))
    }
  }

  /// What one sample sees.
  fileprivate func draw(of total: Int, using generator: inout some RandomNumberGenerator) -> DrawnSight {
    if case .choices(let choices) = amount { return Self.draw(choices, of: total, using: &generator) }
    let layer = layers.count == 1 ? layers[0] : layers.randomElement(using: &generator) ?? 1
    switch amount {
    case .all, .choices: return DrawnSight(layer: layer, nil)
    case .ratios(let range):
      let ratio = range.drawn(using: &generator)
      return DrawnSight(layer: layer, ratio == 0 ? nil : .ratio(ratio))
    case .tokens(let range):
      let (low, high) = (max(1, range.lowerBound), max(1, range.upperBound))
      let number = low == high ? low : exp((log(low)...log(high)).drawn(using: &generator))
      return .keeping(Int(min(number.rounded(), Double(Int32.max))), of: total, layer: layer)
    }
  }

  private static func draw(
    _ choices: [BudgetChoice], of total: Int, using generator: inout some RandomNumberGenerator
  ) -> DrawnSight {
    var rest = choices.reduce(0) { $0 + $1.weight } * Double.random(in: 0..<1, using: &generator)
    for choice in choices {
      rest -= choice.weight
      if rest < 0 { return .keeping(choice.tokens, of: total, layer: choice.layer) }
    }
    return choices.last.map { .keeping($0.tokens, of: total, layer: $0.layer) } ?? DrawnSight(layer: 1, nil)
  }
}

extension DrawnSight {
  fileprivate static func keeping(_ tokens: Int, of total: Int, layer: Int) -> DrawnSight {
    DrawnSight(layer: layer, tokens >= total ? nil : .keep(tokens))
  }
}

extension ClosedRange<Double> {
  /// A number that is uniform in the range.
  func drawn(using generator: inout some RandomNumberGenerator) -> Double {
    Swift.min(upperBound, lowerBound + (upperBound - lowerBound) * Double.random(in: 0..<1, using: &generator))
  }
}

/// What one sample's branch sees.
public struct DrawnSight: Sendable, Equatable {
  /// Decoder layers before the cut; all of them for nothing dropped.
  public var layer: Int
  /// What is left of each picture; nil for all.
  public var amount: CompressionPlan.Amount?

  /// A sight of its parts.
  public init(layer: Int, _ amount: CompressionPlan.Amount?) { (self.layer, self.amount) = (layer, amount) }
}

/// A step with everything drawn: for each branch what each sample sees, one for all of them or one for each.
public struct DrawnStep: Sendable, Equatable {
  /// The plan, with its weights.
  public var plan: PlannedStep
  /// By branch.
  public var students: [[DrawnSight]]
  /// The teacher's; empty where there is none.
  public var teacher: [DrawnSight]
}

extension PlannedStep {
  /// Whether some branch learns from the teacher.
  ///
  /// - Parameter weight: λ of the run.
  public func asksTeacher(weight: Double) -> Bool {
    branches.contains { branch in
      (branch.divergenceWeight ?? weight) != 0 && branch.pulls.contains { $0.target == .teacher && $0.weight != 0 }
    }
  }

  /// Draws the step for some samples, or once for all.
  ///
  /// - Parameter generators: one for each draw, from which all branches take their numbers in turn.
  public func draw(_ generators: inout [some RandomNumberGenerator]) -> DrawnStep {
    var found = DrawnStep(plan: self, students: branches.map { _ in [] }, teacher: [])
    for index in generators.indices {
      for (place, branch) in branches.enumerated() {
        found.students[place].append(branch.draw(of: tokens, using: &generators[index]))
      }
      let first = found.students[0][found.students[0].count - 1]
      switch teacher {
      case .behind(let stage):
        let ratio: Double = if case .ratio(let ratio)? = first.amount { stage.teacherRatio(for: ratio) } else { 0 }
        found.teacher.append(DrawnSight(layer: stage.layer, ratio == 0 ? nil : .ratio(ratio)))
      case .whole, .frozen: found.teacher.append(DrawnSight(layer: first.layer, nil))
      case nil: break
      }
    }
    return found
  }
}
