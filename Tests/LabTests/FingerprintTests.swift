import Foundation
import Testing

@testable import Lab

/// Published results count for as long as nothing that they follow from changes.
@Suite struct FingerprintTests {
  private static let lab =
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Lab").standardizedFileURL

  /// The fingerprints in `Lab/curricula.results.jsonl`, which were worked out when the runs were made.
  ///
  /// The data set's description takes a while to make, so what it is known by stands here: `epic data make shapes --train 24000
  /// --tune 100 --test 200 --seed 10`.
  @Test func publishedResultsAreThoseOfTheGrid() throws {
    let grid = try LabGrid(contentsOf: Self.lab.appending(path: "curricula.yaml"))
    let lines = try Data(contentsOf: Self.lab.appending(path: "curricula.results.jsonl")).split(separator: UInt8(ascii: "\n"))
    let results = try lines.map { try JSONDecoder().decode(LabResult.self, from: $0) }
    var inputs: [String: String] = [:]
    for base in grid.bases {
      let weights = Self.lab.deletingLastPathComponent().appending(path: "\(base.model)/model.safetensors")
      inputs[base.name] = "a71021232160839f" + LabGrid.hash(try Data(contentsOf: weights, options: .mappedIfSafe))
    }
    for run in grid.runs() where results.contains(where: { $0.run == run }) {
      let print = grid.fingerprint(of: run, inputs: try #require(inputs[run.base]))
      #expect(results.contains { $0.run == run && $0.fingerprint == print }, "\(run.name)")
    }
    #expect(grid.runs().count { run in results.contains { $0.run == run } } > 50)
  }

  @Test func itChangesWithAllThatMatters() throws {
    let run = LabRun(cell: "tcd", base: "a", seed: 0)
    func prints(_ run: LabRun, _ change: (old: String, new: String) = ("", ""), inputs: String = "x") throws -> [String] {
      let text = change.old.isEmpty ? GridTests.text : GridTests.text.replacing(change.old, with: change.new)
      let grid = try LabGrid(yaml: text, name: "g")
      return [grid.trainingFingerprint(of: run, inputs: inputs), grid.fingerprint(of: run, inputs: inputs)]
    }
    let first = try prints(run)
    for change in [("steps: 20", "steps: 21"), ("curriculum.name: token", "curriculum.name: layer")] {
      #expect(try zip(prints(run, change), first).allSatisfy { $0 != $1 }, "\(change)")
    }
    #expect(try zip(prints(LabRun(cell: "tcd", base: "a", seed: 1)), first).allSatisfy { $0 != $1 })
    #expect(try zip(prints(run, inputs: "y"), first).allSatisfy { $0 != $1 })
    for change in [("[pope, gqa]", "[gqa, pope]"), ("[dart]", "[fastv]"), ("[16, 9]", "[16]"), ("layer: 1", "layer: 2")] {
      let now = try prints(run, change)
      #expect(now[0] == first[0] && now[1] != first[1], "\(change)")
    }
  }
}
