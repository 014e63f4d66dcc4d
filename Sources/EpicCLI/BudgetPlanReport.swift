import Basics
import Distillation
import Foundation
import Report

/// What `epic curriculum` tells about a curriculum with several budgets in a step.
struct BudgetPlanReport: Encodable {
  /// A branch at a moment.
  struct Branch: Encodable {
    let role: String
    let layers: [Int]
    /// Visual tokens of a picture, the smallest and the largest number that can be drawn.
    let tokensMin, tokensMax: Int
    let crossEntropyShare: Double
    /// As a part of the branch's share; nil for the run's λ.
    let divergenceWeight: Double?
    let towards: [String]
  }

  /// The plan of a step.
  struct Point: Encodable {
    let step: Int
    let branches: [Branch]
  }

  let curriculum: String
  let preset: String
  let layers: Int
  let steps: Int
  let points: [Point]

  init(_ curriculum: any Curriculum, name: String, preset: CurriculumPreset, steps: Int) {
    (self.curriculum, self.preset, self.steps, layers) = (name, preset.rawValue, steps, curriculum.layers)
    let rows = min(steps, 8)
    points = (0...rows).map { row in
      let step = Int((Double(row) * Double(steps) / Double(rows)).rounded())
      return Point(step: step, branches: Self.branches(curriculum.branches(step: step, of: steps)))
    }
  }

  private static func branches(_ plan: PlannedStep) -> [Branch] {
    plan.branches.map { branch in
      let tokens = branch.tokens(of: plan.tokens)
      let layers: [Int] =
        if case .choices(let choices) = branch.amount { Set(choices.map(\.layer)).sorted() } else { branch.layers }
      let targets = branch.pulls.map { pull in
        switch pull.target {
        case .teacher: plan.teacher == .frozen ? "frozen" : "teacher"
        case .student(let other): plan.branches[other].role.rawValue
        case .mean: "mean"
        }
      }
      return Branch(
        role: branch.role.rawValue, layers: layers, tokensMin: tokens.lowerBound, tokensMax: tokens.upperBound,
        crossEntropyShare: branch.share, divergenceWeight: branch.pulls.isEmpty ? 0 : branch.divergenceWeight, towards: targets)
    }
  }

  /// An aligned table with what the columns mean.
  func table() -> String {
    let headings = ["step", "branch", "tokens", "layers", "share", "λ", "towards"]
    var rows: [[String]] = []
    for point in points {
      for (place, branch) in point.branches.enumerated() {
        let isOne = branch.tokensMin == branch.tokensMax
        let tokens = isOne ? "\(branch.tokensMin)" : "\(branch.tokensMin) - \(branch.tokensMax)"
        let layers = branch.role == BranchRole.full.rawValue ? "" : branch.layers.map(String.init).joined(separator: ", ")
        let weight = branch.divergenceWeight.map { "\($0)" } ?? "run's"
        let share = String(format: "%.3f", branch.crossEntropyShare)
        let step = place == 0 ? "\(point.step)" : ""
        rows.append([step, branch.role, tokens, layers, share, weight, branch.towards.joined(separator: ", ")])
      }
    }
    return [
      "\(curriculum), \(preset), \(steps) steps; tokens that stay of a picture, exactly so many, dropped before one of the layers",
      "",
      TextTable(headings: headings, rows: rows).text(), "",
      "share: the branch's part of the loss; λ: the part of the share that its divergence has, the rest is cross entropy",
    ].joined(separator: "\n")
  }

  /// Budgets over steps, as a band for each branch.
  func figure(of curriculum: any Curriculum) -> Figure {
    let count = min(steps, 500)
    let plans = (0...count).map { index -> (x: Double, plan: PlannedStep) in
      let step = Int((Double(index) * Double(steps) / Double(count)).rounded())
      return (Double(step), curriculum.branches(step: step, of: steps))
    }
    let most = plans.map(\.plan.branches.count).max() ?? 0
    let series = (0..<most).map { place -> Chart.Series in
      var (low, high, name) = ([Chart.Point](), [Chart.Point](), "")
      for (x, plan) in plans {
        // Counted from the last one, as the branch of all tokens may not be there.
        let index = plan.branches.count - 1 - place
        if index < 0 { continue }
        let tokens = plan.branches[index].tokens(of: plan.tokens)
        name = plan.branches[index].role.rawValue
        low.append(Chart.Point(x, Double(tokens.lowerBound)))
        high.append(Chart.Point(x, Double(tokens.upperBound)))
      }
      return Chart.Series(name, .band(low: low, high: high), color: place)
    }
    return Figure(
      title: "Curriculum \(self.curriculum)", subtitle: "Preset \(preset), \(steps) steps.",
      charts: [
        Chart(
          title: "Visual tokens that stay", x: .init("optimizer step", format: .integer, range: 0...Double(steps)),
          y: .init(format: .integer), series: series)
      ])
  }
}
