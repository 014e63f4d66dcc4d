import Foundation
import TestSupport
import Testing

@Suite struct BadInputTests {
  /// One line, the right exit code, the thing that is wrong by name, and nothing left behind.
  @Test(arguments: BadInput.all) func oneLineThatNamesWhatIsWrong(_ bad: BadInput) async throws {
    let place = try EpicCommand.workplace()
    try bad.change(place.url)
    let before = try Self.listing(place.url)
    let outcome = try await EpicCommand.run(bad.arguments(place.url), input: bad.input)
    #expect(outcome.code == bad.code, "\(outcome.err)")
    #expect(outcome.out == "")
    let lines = outcome.err.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines.last == "" && outcome.err.hasPrefix("epic: "), "\(outcome.err)")
    for fragment in bad.says { #expect(outcome.err.contains(fragment), "\(fragment) in: \(outcome.err)") }
    #expect(try Self.listing(place.url) == before)
  }

  @Test func thereAreEnoughCases() { #expect(BadInput.all.count >= 80) }

  @Test func argumentsThatAreNotUTF8AreRefused() async throws {
    let place = try EpicCommand.workplace()
    let script = "exec \"$0\" generate --model \"$1\" --prompt $'\\xff\\xfe'"
    let outcome = try await EpicCommand.run(
      ["-c", script, EpicCommand.program.path, place.url.appending(path: "model").path], program: URL(filePath: "/bin/bash"))
    #expect(outcome.code == 2 && outcome.err.contains("UTF-8") && outcome.err.split(separator: "\n").count == 1)
  }

  @Test func anOutputThatClosesEarlyIsNoFailure() async throws {
    let place = try EpicCommand.workplace()
    let script = "\"$0\" generate --model \"$1\" --prompt hi --max-tokens 200 | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"
    let outcome = try await EpicCommand.run(
      ["-c", script, EpicCommand.program.path, place.url.appending(path: "model").path], program: URL(filePath: "/bin/bash"))
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
  }

  private static func listing(_ folder: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
  }
}
