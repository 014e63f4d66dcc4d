import Foundation
import TestModels
import TestSupport
import Testing

/// `epic data check` as it is meant to be used.
@Suite struct DataCheckTests {
  private struct Report: Decodable {
    struct Fault: Decodable, Equatable {
      let index: Int
      let id, path: String?
      let code, reason: String
    }
    struct Lengths: Decodable {
      struct Bin: Decodable { let from, through, count: Int }
      let unit: String
      let minimum, maximum, count: Int
      let bins: [Bin]
    }
    let samples, withImage, textOnly, images, turns: Int
    let tokens, supervisedTokens: Int?
    let lengths: Lengths
    let bad: [Fault]
    let peakMemoryBytes: Int
  }

  private static let records = [
    #"{"id": "good", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a b"}]}"#,
    #"{"id": "text", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#,
    #"{"id": "gone", "image": "gone.png", "conversations": [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a"}]}"#,
    #"{"id": "short", "conversations": [{"from": "human", "value": "q"}]}"#,
  ]

  /// A workplace with the records, or the first of them, as a list and in lines.
  private func workplace(_ count: Int = 4) throws -> Scratch {
    let place = try EpicCommand.workplace()
    let records = Self.records.prefix(count)
    try Data("[\(records.joined(separator: ",\n"))]".utf8).write(to: place.url.appending(path: "data.json"))
    try Data((records.joined(separator: "\n") + "\n").utf8).write(to: place.url.appending(path: "data.jsonl"))
    return place
  }

  private func run(_ place: Scratch, _ arguments: [String], data: String = "data.json") async throws -> EpicCommand.Outcome {
    let files = ["--data", place.url.appending(path: data).path, "--images", place.url.path]
    return try await EpicCommand.run(["data", "check"] + files + arguments)
  }

  private func report(_ place: Scratch, _ arguments: [String], data: String = "data.json") async throws -> Report {
    let outcome = try await run(place, arguments + ["--json"], data: data)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.split(separator: "\n").count == 1)
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  @Test func everyBadSampleIsReported() async throws {
    let place = try workplace()
    let model = ["--model", place.url.appending(path: "model").path]
    let found = try await report(place, model)
    #expect(found.samples == 4 && found.withImage == 2 && found.textOnly == 2 && found.images == 2 && found.turns == 7)
    #expect(found.bad.map(\.index) == [2, 3] && found.bad.map(\.code) == ["missing-image", "too-few-turns"])
    #expect(found.bad.map(\.id) == ["gone", "short"] && found.bad.map(\.path) == ["gone.png", nil])
    #expect(found.bad.allSatisfy { !$0.reason.isEmpty })
    // The byte tokenizer's BOS, a byte for a token, and " a" with its end: what a reader can count.
    let system =
      "A chat between a curious user and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    let text = 1 + (system + "USER: q ASSISTANT: a").utf8.count + 1
    let image = 1 + (system + "USER: \nq ASSISTANT: a b").utf8.count + 1 + 16
    #expect(found.tokens == text + image && found.supervisedTokens == 3 + 5)
    #expect(found.lengths.unit == "tokens" && found.lengths.minimum == text && found.lengths.maximum == image)
    #expect(found.lengths.count == 3 && found.lengths.bins.reduce(0) { $0 + $1.count } == 3)

    let lines = try await report(place, model, data: "data.jsonl")
    #expect(lines.bad == found.bad && lines.tokens == found.tokens && lines.turns == found.turns)
    let words = try await report(place, [])
    #expect(words.tokens == nil && words.lengths.unit == "words" && words.lengths.maximum == 4 && words.bad == found.bad)
    let short = try await report(place, ["--tokenizer", model[1], "--visual-tokens", "3000", "--workers", "1"])
    #expect(short.bad.map(\.code) == ["too-long", "too-long", "too-few-turns"])
  }

  @Test func strictFailsWhereASampleIsBad() async throws {
    let place = try workplace()
    let relaxed = try await run(place, [])
    #expect(relaxed.code == 0 && relaxed.err == "")
    for word in [
      "sample 2 (id gone): gone.png: no such file", "sample 3 (id short): it has 1 turn", "samples     4: 2 with images",
    ] {
      #expect(relaxed.out.contains(word), "\(word) in: \(relaxed.out)")
    }
    let strict = try await run(place, ["--strict"])
    #expect(strict.code == 1 && strict.out == relaxed.out)
    #expect(strict.err.contains("2 of 4 samples") && strict.err.split(separator: "\n").count == 1)
    let good = try await run(workplace(2), ["--strict"])
    #expect(good.code == 0 && good.err == "" && good.out.contains("none"))
  }

  /// A file is never in memory as a whole.
  @Test func memoryDoesNotGrowWithTheFile() async throws {
    let place = try workplace()
    let small = try await report(place, [], data: "data.jsonl")
    let handle = try FileHandle(forWritingTo: place.url.appending(path: "data.jsonl"))
    try handle.seekToEnd()
    for _ in 0..<48 { try handle.write(contentsOf: Data(repeating: UInt8(ascii: "\n"), count: 1 << 20)) }
    try handle.write(contentsOf: Data(Self.records[1].utf8))
    let large = try await report(place, [], data: "data.jsonl")
    #expect(large.samples == small.samples + 1)
    #expect(large.peakMemoryBytes - small.peakMemoryBytes < 24 << 20)
  }

  /// The memory of the process that starts it is none of its own.
  @Test func peakMemoryIsItsOwn() async throws {
    let held = [UInt8](repeating: 1, count: 1 << 30)
    let report = try await report(workplace(), [])
    #expect(report.peakMemoryBytes < held.count)
  }
}
