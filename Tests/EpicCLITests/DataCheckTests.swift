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
      let min, max, count: Int
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
    let files = ["--file", place.url.appending(path: data).path, "--images", place.url.path]
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
    #expect(found.lengths.unit == "tokens" && found.lengths.min == text && found.lengths.max == image)
    #expect(found.lengths.count == 3 && found.lengths.bins.reduce(0) { $0 + $1.count } == 3)

    let lines = try await report(place, model, data: "data.jsonl")
    #expect(lines.bad == found.bad && lines.tokens == found.tokens && lines.turns == found.turns)
    let words = try await report(place, [])
    #expect(words.tokens == nil && words.lengths.unit == "words" && words.lengths.max == 4 && words.bad == found.bad)
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

  /// The same two samples in every spelling that is read have the same counts, which a reader can work out.
  @Test func everyFormatHasTheSameCounts() async throws {
    let place = try workplace()
    let picture = try Data(contentsOf: place.url.appending(path: "house.png"))
    let base64 = picture.base64EncodedString()
    let answer = #"{"role": "assistant", "content": "a b"}"#
    func messages(_ content: String, _ fields: String = "") -> String {
      #"{"id": "good", \#(fields)"messages": [{"role": "user", "content": \#(content)}, \#(answer)]}"#
    }
    let text = #"{"type": "text", "text": "q"}"#
    let tagged = #""<image>\nq""#
    let plain = #"{"id": "good", "conversations": [{"from": "human", "value": \#(tagged)}, {"from": "gpt", "value": "a b"}]}"#
    let formats = [
      ("llava", Self.records[0]), ("messages", messages(tagged, #""image": "house.png", "#)),
      ("images", messages(tagged, #""images": ["house.png"], "#)),
      ("part", messages(#"[{"type": "image", "image": "house.png"}, \#(text)]"#)),
      ("url", messages(#"[{"type": "image_url", "image_url": {"url": "house.png"}}, \#(text)]"#)),
      ("uri", messages(#"[{"type": "image_url", "image_url": {"url": "data:image/png;base64,\#(base64)"}}, \#(text)]"#)),
      ("base64", messages(tagged, #""image": "\#(base64)", "#)),
      ("bytes", messages(#"[{"type": "image"}, \#(text)]"#, #""images": [{"bytes": "\#(base64)", "path": null}], "#)),
    ]
    // A list and lines by turns.
    var files: [String] = []
    for (index, (name, record)) in formats.enumerated() {
      files.append(index % 2 == 0 ? "\(name).json" : "\(name).jsonl")
      let text = index % 2 == 0 ? "[\(record),\n\(Self.records[1])]" : "\(record)\n\(Self.records[1])\n"
      try Data(text.utf8).write(to: place.url.appending(path: files[index]))
    }
    let tar = MadeTar([
      ("good.png", [UInt8](picture)), ("good.json", Array(plain.utf8)), ("text.json", Array(Self.records[1].utf8)),
    ])
    try tar.data.write(to: place.url.appending(path: "shard.tar"))
    // The byte tokenizer's BOS, a byte for a token, the end of the answer, and 16 rows for the picture.
    let system =
      "A chat between a curious user and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    let tokens =
      1 + (system + "USER: q ASSISTANT: a").utf8.count + 1 + 1 + (system + "USER: \nq ASSISTANT: a b").utf8.count + 1 + 16
    for file in files + ["shard.tar"] {
      let found = try await report(place, ["--model", place.url.appending(path: "model").path], data: file)
      #expect(found.bad.isEmpty && found.samples == 2 && found.withImage == 1 && found.images == 1 && found.turns == 4, "\(file)")
      #expect(found.tokens == tokens && found.supervisedTokens == 3 + 5, "\(file)")
    }
  }

  /// Shards of Python's tarfile have the same counts in every format, and those of the same records in JSON.
  @Test(arguments: ["ustar", "gnu", "pax"]) func shardsAreChecked(_ format: String) async throws {
    let place = try workplace()
    let name = Fixtures.bundled("shards/\(format).tar").path
    let model = ["--model", place.url.appending(path: "model").path]
    let outcome = try await EpicCommand.run(["data", "check", "--file", name, "--json"] + model)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    let found = try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
    #expect(found.samples == 7 && found.withImage == 6 && found.textOnly == 1 && found.images == 7 && found.turns == 14)
    #expect(found.bad.isEmpty && found.lengths.unit == "tokens" && found.lengths.count == 7)
    // Bytes of the words, once the tags are 16 rows each; the template writes as much around each of the seven.
    let answers = ["red", "A grey square,\nno more.", "none", "black", "green and blue", "blue", "weiß"]
    #expect(found.supervisedTokens == answers.reduce(0) { $0 + $1.utf8.count + 2 })
    let strict = try await EpicCommand.run(["data", "check", "--strict", "--file", name])
    #expect(strict.code == 0 && strict.out.contains("samples     7: 6 with images, 1 text only"), "\(strict.err)")
  }

  @Test func hostileShardsEndWithOneLine() async throws {
    let place = try workplace()
    var tar = MadeTar()
    tar.add("../../out.json", Array(Self.records[1].utf8))
    tar.add(header: "a.json", Array(Self.records[1].utf8), size: [0x80] + [UInt8](repeating: 0x7F, count: 11))
    try tar.data.write(to: place.url.appending(path: "shard-0.tar"))
    for (data, fragment) in [
      ("shard-0.tar", "cannot be read as a tar shard"), ("shard-{0..2}.tar", "shard-"), ("shard-{0.tar", "a { without a }"),
      ("shard-9.tar", "No such file"),
    ] {
      let outcome = try await EpicCommand.run(["data", "check", "--file", place.url.appending(path: data).path])
      #expect(outcome.code == 1 && outcome.out == "" && outcome.err.contains(fragment), "\(outcome.err)")
      #expect(outcome.err.split(separator: "\n").count == 1, "\(outcome.err)")
    }
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
