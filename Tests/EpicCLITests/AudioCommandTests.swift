import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing

/// The commands on sound.
@Suite struct AudioCommandTests {
  @Test func soundIsHeardAndTrainedOn() async throws {
    let scratch = try Scratch()
    func path(_ name: String) -> String { scratch.url.appending(path: name).path }
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2-audio")
    ByteTokenizer.adopt(into: &configuration)
    try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: scratch.url.appending(path: "model"))
    try TestModel.drawing().writePNG(to: scratch.url.appending(path: "house.png"))
    try MadeSound.wav(9000).write(to: scratch.url.appending(path: "a.wav"))
    try MadeSound.wav(300).write(to: scratch.url.appending(path: "short.wav"))
    func run(_ arguments: [String], code: Int32 = 0, input: Data = Data()) async throws -> EpicCommand.Outcome {
      let outcome = try await EpicCommand.run(arguments, input: input)
      #expect(outcome.code == code, "\(arguments): \(outcome.err)")
      return outcome
    }
    struct Report: Decodable { let visualTokens, keptVisualTokens: Int }
    let generate = ["generate", "--model", path("model"), "--max-tokens", "2", "--prompt", "What?", "--json", "--threads", "1"]
    let found = try JSONDecoder().decode(
      Report.self, from: Data(try await run(generate + ["--audio", path("a.wav"), "--keep", "5"]).out.utf8))
    #expect(found.visualTokens == 14 && found.keptVisualTokens == 5)
    for (arguments, code, words) in [
      (["--audio", path("short.wav")], 1, "too few"), (["--audio", path("house.png")], 1, "house.png"),
      (["--audio", path("none.wav")], 1, "No such file"), (["--image", path("house.png")], 1, "take no pictures"),
      (["--audio", path("a.wav"), "--overlay", path("o.png")], 2, "--overlay"),
    ] as [([String], Int32, String)] {
      let refused = try await run(generate + arguments, code: code)
      #expect(refused.err.contains(words) && refused.err.split(separator: "\n").count == 1, "\(refused.err)")
    }
    let chat = try await run(
      ["chat", "--model", path("model"), "--audio", path("a.wav"), "--max-tokens", "2", "--threads", "1"],
      input: Data("What?\nAnd now?\n".utf8))
    #expect(chat.err == "")

    let records = ["a.wav", "a.wav", "short.wav", "none.wav"].map {
      #"{"audio": "\#($0)", "conversations": [{"from": "human", "value": "<audio>\nWhat?"}, {"from": "gpt", "value": "A tone."}]}"#
    }
    try Data(records.joined(separator: "\n").utf8).write(to: scratch.url.appending(path: "data.jsonl"))
    let checked = try await run(["data", "check", "--file", path("data.jsonl"), "--model", path("model"), "--json"]).out
    #expect(checked.contains("bad-audio") && checked.contains("missing-audio"))
    let settings = [
      "model=\(path("model"))", "output=\(path("run"))", "threads=1", "data.file=\(path("data.jsonl"))", "data.max-length=600",
      "steps=2", "batch.samples=2", "curriculum.name=nested", "curriculum.smallest=4", "compression.compressor=dart",
    ]
    _ = try await run(["train"] + settings.flatMap { ["--set", $0] })
  }
}
