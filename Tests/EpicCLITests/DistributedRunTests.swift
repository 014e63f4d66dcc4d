import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

/// What several processes of `epic train` send, write and go on from.
@Suite(.serialized) struct DistributedRunTests {
  /// With all weights divided, what a process sends is what the documents say: N - 1 times its part of each unit that is brought together, and
  /// as much of each that is trained and added up.
  @Test func whatDividedWeightsSendIsAFormula() async throws {
    let place = try TrainingPlace()
    let keys = ["curriculum.name=fixed", "distributed.shard=full"]
    let count = 3
    let accumulation = 2
    let arguments = place.arguments("together", accumulation: accumulation, keys)
    for outcome in try await place.together((0..<count).map { _ in arguments }) { #expect(outcome.code == 0, "\(outcome.err)") }
    let model = try TestModel.tiny(seed: 1)
    // Bytes that a process sends of a part: what it has of it, to each other one.
    func bytes(_ includes: (Parameter) -> Bool) -> Int {
      let elements = model.parameters.parameters.filter(includes).reduce(0) { $0 + ($1.tensor.count + 63) / 64 * 64 }
      return (elements + 64 * count - 1) / (64 * count) * 64 * 4 * (count - 1)
    }
    func layer(_ index: Int) -> Int { bytes { $0.name.hasPrefix("decoder.layers.\(index).") } }
    let (tower, projector) = (bytes { $0.group == .tower }, bytes { $0.group == .projector })
    let embeddings = bytes { $0.name == "decoder.embed_tokens.weight" }
    let (norm, head) = (bytes { $0.name == "decoder.norm.weight" }, bytes { $0.name == "decoder.lm_head.weight" })
    let layers = (0..<model.configuration.text.layers).map(layer)
    // Forward: all once, and what lies behind the cut, here one layer, once more for the teacher. Backward: layers and projector.
    let gathered =
      tower + projector + embeddings + norm + head + layers.reduce(0, +) + layers.dropFirst().reduce(0, +)
      + layers.reduce(0, +) + projector
    let summed = projector + embeddings + norm + head + layers.reduce(0, +)
    let sent = try place.lines("together").map { $0.sentBytes ?? 0 }
    #expect(sent == sent.map { _ in accumulation * (gathered + summed) })
  }

  /// A run goes on with other numbers of processes.
  @Test func processesMayBeOthersAfterAnInterruption() async throws {
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=2"]
    try await place.alone("alone", accumulation: 4, keys)
    func forget(_ steps: Int...) throws {
      for step in steps {
        try FileManager.default.removeItem(at: place.scratch.url.appending(path: "together/checkpoint-00000\(step)"))
      }
    }
    let four = place.arguments("together", accumulation: 1, keys + ["distributed.shard=optimizer"])
    for outcome in try await place.together([four, four, four, four]) {
      #expect(outcome.code == 0, "\(outcome.err)")
    }
    try forget(4, 6)
    let two = place.arguments("together", accumulation: 2, keys) + ["--resume"]
    for outcome in try await place.together([two, two]) { #expect(outcome.code == 0, "\(outcome.err)") }
    try forget(6)
    let one = try await EpicCommand.run(place.arguments("together", accumulation: 4, keys) + ["--resume"])
    #expect(one.code == 0, "\(one.err)")
    let same = try place.result("alone") == place.result("together")
    #expect(same)
    let other = try await EpicCommand.run(place.arguments("together", accumulation: 3, keys) + ["--resume"])
    #expect(other.code == 1 && other.err.contains("batch.accumulation"), "\(other.err)")
  }

  /// Divided weights fit other numbers of processes too, and one that has all of them.
  @Test func dividedWeightsFitOtherProcesses() async throws {
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=2", "distributed.shard=full"]
    try await place.alone("alone", accumulation: 12, keys)
    for (processes, forgotten) in [(4, [4, 6]), (2, [6]), (3, [6]), (1, [])] {
      let arguments =
        place.arguments("together", accumulation: 12 / processes, keys) + (processes == 4 ? [] : ["--resume"])
      let outcomes =
        processes == 1
        ? [try await EpicCommand.run(arguments)]
        : try await place.together((0..<processes).map { _ in arguments })
      for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.err)") }
      for step in forgotten {
        try FileManager.default.removeItem(at: place.scratch.url.appending(path: "together/checkpoint-00000\(step)"))
      }
    }
    let same = try place.result("alone") == place.result("together")
    #expect(same)
  }

  /// Each process writes what it did in the step that was asked for, and in no other.
  @Test func aStepIsTraced() async throws {
    struct Trace: Decodable {
      struct Event: Decodable {
        let name: String?
      }
      let traceEvents: [Event]
    }
    let place = try TrainingPlace()
    let keys = ["distributed.shard=full", "log.trace=2", "steps=3"]
    try await place.alone("alone", accumulation: 2, keys)
    let arguments = place.arguments("together", accumulation: 1, keys)
    for outcome in try await place.together([arguments, arguments]) {
      #expect(outcome.code == 0 && !outcome.err.contains("ERROR") && !outcome.err.contains("Kineto"), "\(outcome.err)")
    }
    func names(_ path: String) throws -> Set<String> {
      let data = try Data(contentsOf: place.scratch.url.appending(path: path))
      return Set(try JSONDecoder().decode(Trace.self, from: data).traceEvents.compactMap(\.name))
    }
    let own: Set = ["data", "micro-batch", "backward", "gradients of all", "optimizer"]
    #expect(try names("alone/trace-000002.json").isSuperset(of: own.union(["aten::mm"])))
    for file in ["trace-000002.json", "trace-000002-1.json"] {
      let found = try names("together/\(file)")
      #expect(found.isSuperset(of: own) && found.contains { $0.hasPrefix("gloo:") }, "\(found.sorted())")
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: place.path("together"))
    #expect(files.count { $0.contains("trace-") } == 2)
  }

  @Test func whatDoesNotFitTogetherIsSaid() async throws {
    let place = try TrainingPlace()
    let unequal = try await place.together([
      place.arguments("a", accumulation: 1), place.arguments("a", accumulation: 1, ["optimizer.learning-rate=2e-3"]),
    ])
    for outcome in unequal {
      #expect(outcome.code == 1 && outcome.err.contains("another configuration"), "\(outcome.err)")
    }
    let tokens = try await place.together(
      (0..<2).map { _ in place.arguments("b", accumulation: 1, ["batch.tokens=900"]) })
    for outcome in tokens { #expect(outcome.code == 1 && outcome.err.contains("batch.tokens"), "\(outcome.err)") }
    // Nobody else comes.
    let late = try await EpicCommand.run(
      place.arguments("c", accumulation: 1, ["distributed.timeout=2"]),
      environment: ["RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29123"])
    #expect(late.code == 1 && late.err.contains("rank 0 of 2: not all processes met"), "\(late.err)")
    let wrong = try await EpicCommand.run(
      place.arguments("d", accumulation: 1),
      environment: ["RANK": "7", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"])
    #expect(wrong.code == 1 && wrong.err.contains("the variable RANK is 7, expected 0...1"), "\(wrong.err)")
  }
}
