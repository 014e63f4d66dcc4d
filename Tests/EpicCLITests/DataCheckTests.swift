import Foundation
import TestSupport
import Testing

/// `epic data check` on a small data set with a fault in it.
@Suite struct DataCheckTests {
  private struct Report: Decodable {
    struct Fault: Decodable { let index: Int, code: String, path: String? }
    let samples, withImage, textOnly, images, turns: Int
    let tokens: Int?
    let bad: [Fault]
  }

  private static let records = #"""
    [{"id": "a", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A house."}]},
     {"id": "b", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
     {"id": "c", "image": "gone.png", "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "?"}]}]
    """#

  private func check(_ place: Scratch, _ arguments: [String]) async throws -> EpicCommand.Outcome {
    let file = place.url.appending(path: "data.json")
    try Data(Self.records.utf8).write(to: file)
    return try await EpicCommand.run(["data", "check", "--data", file.path] + arguments)
  }

  @Test func countsAndFaults() async throws {
    let place = try EpicCommand.workplace()
    let outcome = try await check(place, ["--model", place.url.appending(path: "model").path, "--json"])
    #expect(outcome.code == 0 && outcome.err == "")
    let found = try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
    #expect(found.samples == 3 && found.withImage == 2 && found.textOnly == 1 && found.images == 2 && found.turns == 6)
    #expect(found.bad.map(\.index) == [2] && found.bad[0].code == "missing-image" && found.bad[0].path == "gone.png")
    #expect((found.tokens ?? 0) > 16)
    let text = try await check(place, [])
    #expect(text.out.contains("sample 2 (id c): gone.png") && text.out.contains("words"))
  }

  @Test func strictEndsWithOneLine() async throws {
    let place = try EpicCommand.workplace()
    let outcome = try await check(place, ["--strict"])
    #expect(outcome.code == 1 && outcome.err.contains("1 of 3 samples") && outcome.err.split(separator: "\n").count == 1)
  }
}
