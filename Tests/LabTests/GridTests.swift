import Foundation
import LLaVA
import TestSupport
import Testing
import Training

@testable import Lab

@Suite struct GridTests {
  static let text = """
    data: shapes
    bases:
      a: {model: base-a, seeds: [0, 1, 2]}
      b: {model: base-b, seeds: [3]}
    train: {steps: 20, optimizer.learning-rate: 1.0e-3, optimizer.parts: [decoder]}
    evaluate: {benchmarks: [pope, gqa], compressors: [dart], keep: [16, 9], layer: 1}
    cells:
      base: {train: false}
      tcd: {curriculum.name: token, curriculum.student-max: "0.05:0.9"}
      long: {steps: 40}
    compare: [[tcd, base]]
    """

  @Test func aGridIsRead() throws {
    let grid = try LabGrid(yaml: Self.text, name: "grid.yaml")
    #expect(grid.data == "shapes" && grid.bases.map(\.seeds) == [[0, 1, 2], [3]])
    #expect(grid.evaluation == .init(benchmarks: ["pope", "gqa"], compressors: ["dart"], keep: [16, 9], layer: 1))
    #expect(grid.cells.map(\.name) == ["base", "tcd", "long"] && grid.cells[0].training == nil)
    let settings = try #require(grid.settings(of: LabRun(cell: "long", base: "a", seed: 0)))
    #expect(settings.first == .init(key: "steps", value: "40") && settings.count == 3)
    // What is handed to epic train means there what it says here.
    var configuration = TrainingConfiguration()
    for setting in try #require(grid.settings(of: LabRun(cell: "tcd", base: "a", seed: 0))) {
      try configuration.set("\(setting.key)=\(setting.value)")
    }
    #expect(try configuration.yaml().contains("student-max: 0.05:0.9"))
  }

  /// A cell between the base and another one's model trains nothing of its own.
  @Test func aCellCanLieBetween() throws {
    let text = Self.text.replacing("  long: {steps: 40}", with: "  long: {steps: 40}\n  back: {of: long, interpolate: 0.75}")
    let grid = try LabGrid(yaml: text, name: "grid.yaml")
    #expect(grid.cells.last?.interpolation == .init(of: "long", weight: 0.75))
    let (back, long) = (LabRun(cell: "back", base: "a", seed: 2), LabRun(cell: "long", base: "a", seed: 2))
    #expect(grid.settings(of: back) == grid.settings(of: long) && grid.settings(of: long) != nil)
    #expect(grid.trainingFingerprint(of: back, inputs: "x") == grid.trainingFingerprint(of: long, inputs: "x"))
    #expect(grid.fingerprint(of: back, inputs: "x") != grid.fingerprint(of: long, inputs: "x"))
    #expect(grid.runs(only: ["back"]).map(\.name) == ["back-a-0", "back-b-3", "back-a-1", "back-a-2"])
    for (cell, problem) in [
      ("{of: nobody, interpolate: 0.5}", "names nobody"), ("{of: base, interpolate: 0.5}", "names base"),
      ("{of: back, interpolate: 0.5}", "names back"), ("{of: long, interpolate: 1}", "interpolate alone"),
      ("{of: long}", "interpolate alone"), ("{of: long, interpolate: 0.5, steps: 3}", "interpolate alone"),
    ] {
      let wrong = text.replacing("{of: long, interpolate: 0.75}", with: cell)
      let error = #expect(throws: LabError.self, "\(cell)") { try LabGrid(yaml: wrong, name: "g") }
      #expect(error?.description.contains(problem) == true, "\(cell): \(error.map { "\($0)" } ?? "")")
    }
  }

  /// A list is the same however it is written.
  @Test func aListHasAllItsElements() throws {
    let text = Self.text.replacing(
      "  long: {steps: 40}", with: "  long:\n    steps: 40\n    optimizer.parts:\n      - projector\n      - decoder")
    let grid = try LabGrid(yaml: text, name: "grid.yaml")
    let settings = try #require(grid.settings(of: LabRun(cell: "long", base: "a", seed: 0)))
    #expect(settings.first { $0.key == "optimizer.parts" }?.value == "[projector, decoder]")
  }

  /// The base as it is once for each base, cells for every seed, bases in turn.
  @Test func runsAreInTurn() throws {
    let grid = try LabGrid(yaml: Self.text, name: "grid.yaml")
    #expect(
      grid.runs().map(\.name) == [
        "base-a", "tcd-a-0", "long-a-0", "base-b", "tcd-b-3", "long-b-3", "tcd-a-1", "long-a-1", "tcd-a-2", "long-a-2",
      ])
    #expect(grid.runs(only: ["tcd"], seeds: [1, 3]).map(\.name) == ["tcd-b-3", "tcd-a-1"])
  }

  @Test func everythingWrongIsNamedAtOnce() throws {
    let text = """
      data: [1]
      bases: {a: {model: m, seeds: [0, 0], extra: 1}}
      evaluate: {benchmarks: [pope], keep: [x]}
      cells: {"t d": {steps: 1}, ok: {model: other}}
      compare: [[ok, absent], ok]
      more: 1
      """
    let error = try #require(#expect(throws: LabError.self) { try LabGrid(yaml: text, name: "g.yaml") })
    for part in [
      "g.yaml: ", "data is no text", "bases.a.seeds is no list of different", "bases.a.extra is no key",
      "evaluate.keep is no list",
      "cells.t d: a name", "cells.ok.model is given by the laboratory", "absent, which is no cell", "no pair of cells",
      "more is no key",
    ] {
      #expect(error.description.contains(part), "\(part): \(error)")
    }
    #expect(!error.description.contains("\n"))
    for text in ["", "- 1", "a: [", "just words"] {
      #expect(throws: LabError.self) { try LabGrid(yaml: text, name: "g.yaml") }
    }
  }

  /// The grid that comes along is one, and its keys are `epic train`'s.
  @Test func theProjectsGridIsGood() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let grid = try LabGrid(contentsOf: root.appending(path: "Lab/curricula.yaml"))
    // The base is asked once from each model; all others are trained with five seeds.
    #expect(grid.cells.count >= 12 && grid.runs().count == (grid.cells.count - 1) * 5 + 2)
    let nested = try LabGrid(contentsOf: root.appending(path: "Lab/nested.yaml"))
    #expect(nested.beds == ["plenty", "few", "unlabelled", "noisy", "half"])
    let reducers = try LabGrid(contentsOf: root.appending(path: "Lab/reducers.yaml"))
    #expect(reducers.cells.count >= 9 && reducers.runs().count == (reducers.cells.count - 1) * 6 + 2)
    let divprune = try LabGrid(contentsOf: root.appending(path: "Lab/divprune.yaml"))
    #expect(divprune.beds == ["plenty", "few"])
    let auto = try LabGrid(contentsOf: root.appending(path: "Lab/auto.yaml"))
    #expect(auto.beds == nested.beds)
    // As many visual tokens as the embedded model.
    var model = try LLaVAConfiguration.preset("tiny")
    model.vision.imageSize = 12 * model.vision.patchSize
    model.text.layers = 6
    for (grid, run) in [grid, nested, reducers, divprune, auto].flatMap({ grid in grid.runs().map { (grid, $0) } }) {
      var configuration = TrainingConfiguration()
      (configuration.model, configuration.output, configuration.data.file) = ("m", "o", "d")
      for setting in grid.settings(of: run) ?? [] { try configuration.set("\(setting.key)=\(setting.value)") }
      _ = try configuration.resolved(for: model)
    }
  }
}
