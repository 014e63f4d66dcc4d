import Basics
import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

/// `epic inspect` of a run and of its checkpoints, complete, incomplete and damaged.
@Suite struct RunInspectionTests {
  private struct Place {
    let scratch: Scratch
    func path(_ name: String) -> String { scratch.url.appending(path: name).path }

    init() async throws {
      scratch = try EpicCommand.workplace()
      let records = (0..<8).map {
        #"{"id": "s\#($0)", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "Yes."}]}"#
      }
      try Data(records.joined(separator: "\n").utf8).write(to: scratch.url.appending(path: "data.jsonl"))
    }

    func arguments(_ output: String, _ more: [String] = []) -> [String] {
      let settings = [
        "model=\(path("model"))", "output=\(path(output))", "data.file=\(path("data.jsonl"))", "threads=1", "batch.samples=2",
        "batch.accumulation=2", "steps=4", "checkpoints.every=2", "log.tensorboard=false", "curriculum.name=nested",
        "curriculum.smallest=4",
      ]
      return ["train"] + (settings + more).flatMap { ["--set", $0] }
    }

    func train(_ output: String, _ more: [String] = []) async throws {
      let outcome = try await EpicCommand.run(arguments(output, more))
      #expect(outcome.code == 0, "\(outcome.err)")
    }

    func inspect(_ name: String, _ more: String...) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(["inspect", path(name)] + more)
    }
  }

  private struct Report: Decodable {
    struct Run: Decodable {
      struct Resumption: Decodable, Equatable { let processes, accumulation: Int }
      let step, steps, processes, shards, bytes: Int
      let curriculum, dtype, sharding: String
      let parts: [String]
      let loraRank: Int?
      let files: [String: Int]
      let resumptions: [Resumption]
      let newest, resume: String?
    }
    let parameters: Int
    let run: Run?
  }

  private struct Summary: Decodable {
    struct Entry: Decodable {
      let name: String
      let fault: String?
    }
    let checkpoints: [Entry]
    let unfinished: [String]
    let loggedSteps: Int
  }

  @Test func aCheckpointAndItsRun() async throws {
    let place = try await Place()
    try await place.train("run", ["lora.rank=2"])
    let outcome = try await place.inspect("run/checkpoint-000004", "--json")
    #expect(outcome.code == 0, "\(outcome.err)")
    let report = try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
    let run = try #require(report.run)
    #expect(
      run.step == 4 && run.steps == 4 && run.curriculum == "nested" && run.parts == ["projector", "adapter"] && run.loraRank == 2)
    #expect(run.processes == 1 && run.shards == 1 && run.dtype == "bfloat16" && run.sharding == "none")
    #expect(run.resumptions == [.init(processes: 1, accumulation: 2), .init(processes: 2, accumulation: 1)])
    #expect(run.newest == "checkpoint-000004" && run.resume?.contains("--resume") == true)
    // Every file with its size.
    let folder = place.scratch.url.appending(path: "run/checkpoint-000004")
    for (name, bytes) in run.files {
      #expect(try folder.appending(path: name).resourceValues(forKeys: [.fileSizeKey]).fileSize == bytes)
    }
    #expect(run.files["run/optimizer.safetensors"] != nil && run.bytes == run.files.values.reduce(0, +))

    let text = try await place.inspect("run/checkpoint-000002")
    for fragment in ["step 2 of 4, complete", "curriculum nested", "run/optimizer.safetensors", "goes on from checkpoint-000004"]
    {
      #expect(text.out.contains(fragment), "\(fragment) in \(text.out)")
    }
    // The command that is named goes on.
    let words = try #require(run.resume).split(separator: " ").dropFirst().map(String.init)
    let resumed = try await EpicCommand.run(words)
    #expect(resumed.code == 0 && resumed.out.contains("goes on after step 4"), "\(resumed.out)\(resumed.err)")

    let all = try await place.inspect("run")
    for fragment in ["step 4 of 4; 4 steps logged", "checkpoint-000002  complete", "checkpoint-000004  complete", "--resume"] {
      #expect(all.out.contains(fragment), "\(fragment) in \(all.out)")
    }
    // A model that no run wrote is what it was.
    let plain = try await place.inspect("model", "--json")
    #expect(try JSONDecoder().decode(Report.self, from: Data(plain.out.utf8)).run == nil)
  }

  @Test func damagedAndIncompleteOnesAreOneLine() async throws {
    let place = try await Place()
    try await place.train("run")
    let (manager, folder) = (FileManager.default, place.scratch.url)
    let damages: [(String, String, (URL) throws -> Void)] = [
      ("no state", "state.json", { try manager.removeItem(at: $0.appending(path: "run/state.json")) }),
      ("torn state", "state.json", { try Data("{".utf8).write(to: $0.appending(path: "run/state.json")) }),
      (
        "no optimizer", "optimizer.safetensors: is missing",
        { try manager.removeItem(at: $0.appending(path: "run/optimizer.safetensors")) }
      ),
      (
        "cut optimizer", "optimizer.safetensors: is damaged",
        {
          let file = $0.appending(path: "run/optimizer.safetensors")
          let data = try Data(contentsOf: file)
          try data.prefix(data.count / 2).write(to: file)
        }
      ),
      (
        "another optimizer", "has no exp_avg/",
        { try SafetensorsWriter.write([SafetensorsItem("x", .zeros([1]))], to: $0.appending(path: "run/optimizer.safetensors")) }
      ),
      ("no weights", "checkpoint-000009", { try manager.removeItem(at: $0.appending(path: "model.safetensors")) }),
    ]
    for (name, says, damage) in damages {
      let copy = folder.appending(path: "run/checkpoint-000009")
      try manager.copyItem(at: folder.appending(path: "run/checkpoint-000004"), to: copy)
      try damage(copy)
      let outcome = try await place.inspect("run/checkpoint-000009")
      #expect(outcome.code == 1 && outcome.out == "", "\(name): \(outcome.out)")
      #expect(outcome.err.split(separator: "\n").count == 1 && outcome.err.contains(says), "\(name): \(outcome.err)")
      let summary = try await place.inspect("run", "--json")
      let found = try JSONDecoder().decode(Summary.self, from: Data(summary.out.utf8))
      #expect(
        found.checkpoints.map(\.name) == ["checkpoint-000002", "checkpoint-000004", "checkpoint-000009"] && found.loggedSteps == 4
      )
      #expect(found.checkpoints.map { $0.fault == nil } == [true, true, false], "\(name)")
      try manager.removeItem(at: copy)
    }
    // As a killed program leaves it.
    let partial = PartialName.place(beside: folder.appending(path: "run/checkpoint-000006"))
    try manager.copyItem(at: folder.appending(path: "run/checkpoint-000004"), to: partial)
    let outcome = try await place.inspect("run/\(partial.lastPathComponent)")
    #expect(outcome.code == 1 && outcome.err.contains("incomplete checkpoint-000006"), "\(outcome.err)")
    let summary = try await place.inspect("run")
    #expect(summary.out.contains("checkpoint-000006  incomplete"), "\(summary.out)")
  }

  /// Two processes that divide the optimizer: two shards, both needed.
  @Test func shardsOfTwoProcesses() async throws {
    let place = try await Place()
    let port = try freePort()
    let arguments = place.arguments("run", ["distributed.shard=optimizer", "batch.accumulation=1", "distributed.timeout=60"])
    try await withThrowingTaskGroup(of: Program.Outcome.self) { group in
      for rank in 0..<2 {
        group.addTask {
          try await Program.run(
            EpicCommand.program, arguments,
            environment: ["RANK": "\(rank)", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)"])
        }
      }
      for try await outcome in group { #expect(outcome.code == 0, "\(outcome.err)") }
    }
    let outcome = try await place.inspect("run/checkpoint-000004", "--json")
    let run = try #require(try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8)).run)
    #expect(run.processes == 2 && run.shards == 2 && run.sharding == "optimizer")
    #expect(run.files["run/optimizer-1.safetensors"] != nil)
    try FileManager.default.removeItem(at: place.scratch.url.appending(path: "run/checkpoint-000004/run/optimizer-1.safetensors"))
    let damaged = try await place.inspect("run/checkpoint-000004")
    #expect(damaged.code == 1 && damaged.err.contains("optimizer-1.safetensors: is missing"), "\(damaged.err)")
  }
}
