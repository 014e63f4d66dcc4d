import Foundation
import TestSupport
import Testing
import Torch

/// A tiny checkpoint and a small data set, with a picture that is missing.
struct TrainingPlace {
  let scratch: Scratch
  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  init() throws {
    scratch = try EpicCommand.workplace()
    let records = (0..<14).map { index in
      let image = index % 4 == 3 ? "" : #""image": "\#(index == 5 ? "none" : "house").png", "#
      let tag = index % 4 == 3 ? "" : "<image>\\n"
      return #"{"id": "s\#(index)", \#(image)"conversations": [{"from": "human", "value": "\#(tag)What is \#(index)?"}, "#
        + #"{"from": "gpt", "value": "Number \#(index), \#(String(repeating: "so ", count: index % 5))it is."}]}"#
    }
    try Data(records.joined(separator: "\n").utf8).write(to: scratch.url.appending(path: "data.jsonl"))
  }

  /// Makes the projector's weights so large that what it computes is infinite, and leaves a picture to the third sample alone.
  func letPicturesOverflow() throws {
    let weights = scratch.url.appending(path: "model/model.safetensors")
    let file = try SafetensorsFile(weights)
    let items = try file.entries.keys.sorted().map { name in
      let tensor = try file.tensor(name)
      return SafetensorsItem(name, name.contains("multi_modal_projector") ? try tensor * 1e38 : tensor)
    }
    #expect(items.contains { $0.name.contains("multi_modal_projector") })
    try FileManager.default.removeItem(at: weights)
    try SafetensorsWriter.write(items, to: weights)
    let data = scratch.url.appending(path: "data.jsonl")
    let records = try String(contentsOf: data, encoding: .utf8).split(separator: "\n").enumerated().map { index, record in
      let record = String(record)
      if index == 2 { return record }
      return record.replacing(#/"image": "[^"]*", /#, with: "").replacing("<image>\\n", with: "")
    }
    try Data(records.joined(separator: "\n").utf8).write(to: data)
  }

  func arguments(_ output: String, accumulation: Int, _ more: [String] = []) -> [String] {
    let settings = [
      "model=\(path("model"))", "output=\(path(output))", "data.file=\(path("data.jsonl"))", "dtype=f32", "threads=1",
      "batch.samples=2", "batch.accumulation=\(accumulation)", "steps=6", "optimizer.learning-rate=1e-3", "curriculum.layer=1",
      "log.tensorboard=false", "distributed.timeout=60", "checkpoints.keep=99",
    ]
    return ["train"] + (settings + more).flatMap { ["--set", $0] }
  }

  /// Runs one process.
  func alone(_ output: String, accumulation: Int, _ more: [String] = []) async throws {
    let outcome = try await EpicCommand.run(arguments(output, accumulation: accumulation, more))
    #expect(outcome.code == 0, "\(outcome.err)")
  }

  /// Runs several processes at once, each with its own arguments.
  func together(_ arguments: [[String]], during: @escaping @Sendable (Int, Program.Running) async throws -> Void = { _, _ in })
    async throws -> [Program.Outcome]
  {
    let port = try freePort()
    return try await withThrowingTaskGroup(of: (Int, Program.Outcome).self) { group in
      for (rank, own) in arguments.enumerated() {
        group.addTask {
          let environment = [
            "RANK": "\(rank)", "WORLD_SIZE": "\(arguments.count)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
          ]
          return (
            rank,
            try await Program.run(EpicCommand.program, own, environment: environment) {
              try await during(rank, $0)
            }
          )
        }
      }
      var found: [Int: Program.Outcome] = [:]
      for try await (rank, outcome) in group { found[rank] = outcome }
      return (0..<arguments.count).compactMap { found[$0] }
    }
  }

  /// What the newest checkpoint holds, whoever wrote which part, and what was logged but for times.
  struct Result: Equatable {
    var model = Data()
    var optimizer: [String: [Float]] = [:]
    var losses: [Double] = []
    var held: [[Double]] = []
    var skipped = 0
  }

  /// A line of `metrics.jsonl`.
  struct Line: Decodable {
    struct Held: Decodable { let crossEntropy: Double }
    let loss: Double
    let validation: [Held]?
    let sentBytes: Int?
  }

  func lines(_ output: String) throws -> [Line] {
    let data = try Data(contentsOf: scratch.url.appending(path: "\(output)/metrics.jsonl"))
    return try data.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Line.self, from: $0) }
  }

  func result(_ output: String, step: Int = 6) throws -> Result {
    let run = scratch.url.appending(path: output)
    let checkpoint = run.appending(path: "checkpoint-" + String(1_000_000 + step).dropFirst())
    var result = Result()
    var pieces: [String: [(start: Int, values: [Float])]] = [:]
    result.model = try Data(contentsOf: checkpoint.appending(path: "model.safetensors"))
    for name in try FileManager.default.contentsOfDirectory(atPath: checkpoint.appending(path: "run").path)
    where name.hasPrefix("optimizer") {
      let file = try SafetensorsFile(checkpoint.appending(path: "run/\(name)"))
      for entry in file.entries.keys {
        let values = try file.tensor(entry).to(.float32).array(Float.self)
        // Of a divided weight each process has some elements, as in `exp_avg/decoder.norm.weight[64:128]`.
        guard let open = entry.firstIndex(of: "[") else {
          result.optimizer[entry] = values
          continue
        }
        let (base, range) = (String(entry[..<open]), entry[open...].dropFirst().dropLast().split(separator: ":"))
        pieces[base, default: []].append((try #require(Int(range[0])), values))
      }
    }
    for (base, found) in pieces {
      let sorted = found.sorted { $0.start < $1.start }.map(\.values)
      result.optimizer[base] = base.hasPrefix("step/") ? sorted[0] : sorted.flatMap(\.self)
    }
    result.losses = try lines(output).map(\.loss)
    result.held = try lines(output).compactMap { $0.validation?.map(\.crossEntropy) }
    result.skipped = try Data(contentsOf: run.appending(path: "skipped.jsonl")).split(separator: UInt8(ascii: "\n")).count
    return result
  }
}
