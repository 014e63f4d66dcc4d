import Basics
import Distillation
import Foundation
import Report

/// What `epic curriculum --theory` tells: two ways of training a model with one parameter.
struct TheoryReport: Encodable {
  struct Path: Encodable {
    let parameterVariation, lossVariation, maxLoss, lastParameter, lastLoss: Double

    init(_ path: ScalarPrototype.Path) {
      parameterVariation = path.parameterVariation
      lossVariation = path.lossVariation
      maxLoss = path.losses.max() ?? 0
      lastParameter = path.parameters.last ?? 0
      lastLoss = path.losses.last ?? 0
    }
  }

  let ratio, curvature, shift, learningRate, momentum, hold: Double
  let steps: Int
  let direct, progressive: Path

  init(_ prototype: ScalarPrototype, direct: ScalarPrototype.Path, progressive: ScalarPrototype.Path) {
    (ratio, curvature, shift) = (prototype.ratio, prototype.curvature, prototype.shift)
    (learningRate, momentum, hold) = (prototype.learningRate, prototype.momentum, prototype.hold)
    steps = prototype.steps
    self.direct = Path(direct)
    self.progressive = Path(progressive)
  }

  func table() -> String {
    func number(_ value: Double) -> String { String(format: "%.4f", value) }
    let header = ["path", "variation of θ", "variation of loss", "largest loss", "last θ", "last loss"]
    let rows = [("direct", direct), ("progressive", progressive)].map { name, path in
      [
        name, number(path.parameterVariation), number(path.lossVariation), number(path.maxLoss), number(path.lastParameter),
        number(path.lastLoss),
      ]
    }
    return [model, "", TextTable(headings: header, rows: rows).text()].joined(separator: "\n")
  }

  /// The model in one sentence.
  private var model: String {
    let (a, s) = (String(format: "%g", curvature), String(format: "%g", shift))
    return
      "loss = ½·curvature·(θ − shift·ratio)² with curvature \(a) and shift \(s), gradient descent with learning rate \(learningRate) and "
      + "momentum \(momentum), \(steps) steps to ratio \(String(format: "%g", 100 * ratio)) %"
  }

  /// The parameter above, the loss below, over steps.
  func figure(direct: ScalarPrototype.Path, progressive: ScalarPrototype.Path) -> Figure {
    func points(_ values: [Double]) -> [Chart.Point] { values.enumerated().map { .init(Double($0), $1) } }
    func label(_ name: String, _ variation: Double) -> String { name + String(format: ", total variation %.3f", variation) }
    let range = 0...Double(steps)
    let optima = points(progressive.ratios.map { $0 * shift })
    return Figure(
      title: "A model with one parameter, compressed directly and progressively",
      subtitle: model.prefix(1).uppercased() + model.dropFirst() + ".",
      charts: [
        Chart(
          title: "Parameter θ", x: .init("", format: .integer, range: range), y: .init(),
          series: [
            .init("progressive optimum", .line(optima), color: 5, dashed: true),
            .init(label("direct", self.direct.parameterVariation), .line(points(direct.parameters)), color: 1),
            .init(label("progressive", self.progressive.parameterVariation), .line(points(progressive.parameters)), color: 0),
          ]),
        Chart(
          title: "Loss at the ratio of the step", x: .init("optimizer step", format: .integer, range: range), y: .init(),
          series: [
            .init(label("direct", self.direct.lossVariation), .line(points(direct.losses)), color: 1),
            .init(label("progressive", self.progressive.lossVariation), .line(points(progressive.losses)), color: 0),
          ]),
      ])
  }
}
