import Basics
import Distillation
import Foundation
import Report

/// What `epic curriculum` tells about a curriculum.
struct CurriculumReport: Encodable {
  /// The plan at a moment.
  struct Point: Encodable {
    let progress: Double
    let step: Int
    let layer: Int
    let studentMin, studentMax, studentMean: Double
    let gap: Double
    let teacherMin, teacherMax, teacherMean: Double

    init(_ curriculum: any StagedCurriculum, step: Int, of steps: Int) {
      let plan = curriculum.plan(step: step, of: steps)
      progress = Double(step) / Double(steps)
      self.step = step
      layer = plan.layer
      (studentMin, studentMax) = (plan.studentRatios.lowerBound, plan.studentRatios.upperBound)
      studentMean = plan.meanStudentRatio
      gap = plan.gap
      (teacherMin, teacherMax) = (plan.teacherRatios.lowerBound, plan.teacherRatios.upperBound)
      teacherMean = plan.meanTeacherRatio
    }
  }

  let curriculum: String
  let preset: String
  let layers: Int
  let steps: Int
  let points: [Point]
  /// Expected ratios over all steps.
  let studentMean, teacherMean: Double

  init(_ curriculum: any StagedCurriculum, name: String, preset: CurriculumPreset, steps: Int) {
    self.curriculum = name
    self.preset = preset.rawValue
    self.steps = steps
    layers = curriculum.layers
    let rows = min(steps, 20)
    points = (0...rows).map {
      Point(curriculum, step: Int((Double($0) * Double(steps) / Double(rows)).rounded()), of: steps)
    }
    (studentMean, teacherMean) = curriculum.meanRatios(over: steps)
  }

  /// An aligned table with what the columns mean.
  func table() -> String {
    let header = ["progress", "step", "layer", "student", "mean", "teacher", "mean"]
    let rows = points.map { point in
      [
        percent(point.progress, 0), "\(point.step)", "\(point.layer)", range(point.studentMin, point.studentMax),
        percent(point.studentMean), range(point.teacherMin, point.teacherMax), percent(point.teacherMean),
      ]
    }
    var lines = ["\(curriculum), \(preset), \(steps) steps; ratios are visual tokens dropped before the layer of \(layers)", ""]
    lines.append(TextTable(headings: header, rows: rows, isText: header.map { _ in false }, names: 1).text())
    lines += ["", "mean over training: student \(percent(studentMean)), teacher \(percent(teacherMean))"]
    if points.contains(where: { $0.layer == layers }) {
      lines.append("layer \(layers) means that nothing is dropped, and that student and teacher are equal")
    }
    return lines.joined(separator: "\n")
  }

  private func range(_ low: Double, _ high: Double) -> String {
    let (first, last) = (percent(low), percent(high))
    return first == last ? first : "\(first) - \(last)"
  }

  private func percent(_ value: Double, _ decimals: Int = 1) -> String { String(format: "%.\(decimals)f %%", 100 * value) }

  /// Ratios above, layers below, over steps.
  func figure(of curriculum: any StagedCurriculum) -> Figure {
    // As many points as a figure has pixels, give or take, so that every jump shows.
    let count = min(steps, 1000)
    let plans = (0...count).map { index -> (x: Double, plan: PlannedStage) in
      let step = Int((Double(index) * Double(steps) / Double(count)).rounded())
      return (Double(step), curriculum.plan(step: step, of: steps))
    }
    func band(_ range: (PlannedStage) -> ClosedRange<Double>) -> Chart.Series.Shape {
      .band(low: points { range($0).lowerBound }, high: points { range($0).upperBound })
    }
    func points(_ value: (PlannedStage) -> Double) -> [Chart.Point] { plans.map { .init($0.x, value($0.plan)) } }
    let (student, teacher) = (band(\.studentRatios), band(\.teacherRatios))
    let range = 0...Double(steps)
    return Figure(
      title: "Curriculum \(self.curriculum)",
      subtitle: "Preset \(preset), \(steps) steps. Mean ratio over training: student "
        + String(format: "%.1f %%, teacher %.1f %%.", 100 * studentMean, 100 * teacherMean),
      charts: [
        Chart(
          title: "Ratio of visual tokens dropped", x: .init(format: .integer, range: range),
          y: .init(format: .percent, range: 0...1),
          series: [
            .init("student, range", student, color: 0),
            .init("teacher, range", teacher, color: 1),
            .init("student, mean", .line(points(\.meanStudentRatio)), color: 0),
            .init("teacher, mean", .line(points(\.meanTeacherRatio)), color: 1, dashed: true),
          ]),
        Chart(
          title: "Layer before which they are dropped, of \(layers)",
          x: .init("optimizer step", format: .integer, range: range),
          y: .init(format: .integer, range: 0...Double(layers)),
          series: [.init("", .steps(points { Double($0.layer) }), color: 2)]),
      ])
  }
}
