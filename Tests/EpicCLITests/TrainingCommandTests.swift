import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

/// `epic train` as it is used, and as it is interrupted.
@Suite struct TrainingCommandTests {
  /// A checkpoint, a data set and a run of `steps` steps over it.
  private struct Place {
    let scratch: Scratch
    var url: URL { scratch.url }
    var config: String { url.appending(path: "run.yaml").path }

    init(steps: Int) throws {
      scratch = try EpicCommand.workplace()
      let records = (0..<6).map { index in
        #"{"id": "s\#(index)", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, "#
          + #"{"from": "gpt", "value": "House number \#(index)."}]}"#
      }
      try Data(records.joined(separator: "\n").utf8).write(to: url.appending(path: "data.jsonl"))
      try Data(
        """
        model: \(url.appending(path: "model").path)
        output: \(url.appending(path: "run").path)
        steps: \(steps)
        threads: 1
        data: {file: \(url.appending(path: "data.jsonl").path), max-length: 400}
        batch: {samples: 2}
        optimizer: {learning-rate: 1e-3}
        checkpoints: {every: 2}
        """.utf8
      ).write(to: url.appending(path: "run.yaml"))
    }

    func train(_ arguments: [String] = [], during: EpicCommand.During? = nil)
      async throws
      -> EpicCommand.Outcome
    {
      try await EpicCommand.run(["train", "--config", config] + arguments, during: during)
    }

    /// The weights of the newest checkpoint, byte for byte.
    func weights(_ run: String = "run") throws -> Data {
      let names = try FileManager.default.contentsOfDirectory(atPath: url.appending(path: run).path)
      let newest = try #require(names.filter { $0.hasPrefix("checkpoint-") }.max())
      return try Data(contentsOf: url.appending(path: "\(run)/\(newest)/model.safetensors"))
    }

    func steps(_ run: String = "run") throws -> [Int] {
      struct Line: Decodable { let step: Int }
      return try Data(contentsOf: url.appending(path: "\(run)/metrics.jsonl")).split(separator: UInt8(ascii: "\n"))
        .map { try JSONDecoder().decode(Line.self, from: $0).step }
    }
  }

  /// The page that shows a run takes no part in it; a port that is taken is said before anything is read.
  @Test func aRunIsWatchedInABrowser() async throws {
    let place = try Place(steps: 2)
    let plain = try await place.train()
    let weights = try place.weights()
    let watched = try await place.train(["--watch", "0", "--set", "output=\(place.url.appending(path: "watched").path)"])
    #expect(plain.code == 0 && watched.code == 0 && watched.err == "", "\(watched.err)")
    #expect(watched.out.firstMatch(of: /watch it +http:\/\/127\.0\.0\.1:[0-9]+\n/) != nil, "\(watched.out)")
    #expect(try place.weights("watched") == weights)

    let socket = try TakenPort()
    let taken = try await place.train([
      "--watch", "\(socket.port)", "--set", "output=\(place.url.appending(path: "taken").path)",
    ])
    withExtendedLifetime(socket) {
      #expect(taken.code == 1 && taken.err.contains("--watch \(socket.port)"), "\(taken.err)")
    }
    #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "taken").path))
    #expect(try await place.train(["--watch", "70000"]).code == 2)
  }

  @Test func aRunFromTheCommandLine() async throws {
    let place = try Place(steps: 4)
    let outcome = try await place.train(["--set", "curriculum.name=layer", "--set", "batch.samples=3"])
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    for fragment in ["6 samples, 4 steps", "memory      about", "step 4 of 4", "checkpoint-000004", "done        4 steps"] {
      #expect(outcome.out.contains(fragment), "\(fragment) in \(outcome.out)")
    }
    #expect(try place.steps() == [1, 2, 3, 4])
    // What was trained answers.
    let answer = try await EpicCommand.run([
      "generate", "--model", place.url.appending(path: "run/checkpoint-000004").path, "--prompt", "What?", "--max-tokens", "3",
      "--image",
      place.url.appending(path: "house.png").path, "--keep", "4",
    ])
    #expect(answer.code == 0, "\(answer.err)")
    let keys = try await EpicCommand.run(["train", "--keys"])
    #expect(keys.code == 0 && keys.out.contains("batch.samples") && keys.out.contains("2048"))
  }

  @Test(arguments: [SIGTERM, SIGINT]) func askedToStopItSavesAndSaysHowToGoOn(_ number: Int32) async throws {
    let (disturbed, whole) = (try Place(steps: 40), try Place(steps: 40))
    func stop() async throws -> EpicCommand.Outcome {
      try await disturbed.train { program in try await program.send(number, oncePrinted: "step 3 of") }
    }
    var stopped = try await stop()
    // A run that was faster than the signal begins anew.
    for _ in 0..<20 where !stopped.out.contains("--resume") {
      try FileManager.default.removeItem(at: disturbed.url.appending(path: "run"))
      stopped = try await stop()
    }
    #expect(stopped.code == 0 && stopped.out.contains("--resume"), "\(stopped.out)\(stopped.err)")
    let before = try disturbed.steps().count
    #expect((3..<40).contains(before))
    let resumed = try await disturbed.train(["--resume"])
    #expect(resumed.code == 0 && resumed.out.contains("goes on after step \(before)"), "\(resumed.out)\(resumed.err)")
    #expect(try await whole.train().code == 0)
    #expect(try disturbed.weights() == whole.weights() && disturbed.steps() == Array(1...40))
  }

  /// Killed at twenty random moments, while it writes checkpoints too, a run ends with the weights of an undisturbed one.
  @Test func killedAnywhereItEndsTheSame() async throws {
    let (disturbed, whole) = (try Place(steps: 24), try Place(steps: 24))
    #expect(try await whole.train().code == 0)
    var random = SplitMix(seed: 20)
    var kills = 0
    // Runs that end before they are killed begin anew, so that twenty are killed.
    for _ in 0..<200 where kills < 20 {
      let delay = Int.random(in: 60...900, using: &random)
      let outcome = try await disturbed.train(["--resume"]) { program in
        try await program.send(SIGKILL, after: delay)
      }
      if outcome.code == nil { kills += 1 } else { #expect(outcome.code == 0, "\(outcome.err)") }
      if outcome.code == 0 {
        #expect(try disturbed.weights() == whole.weights())
        try FileManager.default.removeItem(at: disturbed.url.appending(path: "run"))
      }
    }
    #expect(kills == 20)
    let last = try await disturbed.train(["--resume"])
    #expect(last.code == 0, "\(last.err)")
    #expect(try disturbed.weights() == whole.weights() && disturbed.steps() == Array(1...24))
    let left = try FileManager.default.contentsOfDirectory(atPath: disturbed.url.appending(path: "run").path)
    #expect(!left.contains { $0.hasPrefix(".") }, "\(left)")
  }
}
