import Foundation
import TestSupport
import Testing

@testable import EpicCLI

@Suite struct BadInputTests {
  /// Wrong usage, which is found before anything is begun: it is asked for in this process, as starting the program takes longest.
  private static let usages = BadInput.all.filter { $0.code == 2 && $0.change == nil && $0.input.isEmpty }
  /// All else, and each tenth of those, through the program as it is built.
  private static let programs =
    BadInput.all.filter { $0.code != 2 || $0.change != nil || !$0.input.isEmpty }
    + usages.enumerated().filter { $0.offset % 10 == 0 }.map(\.element)

  /// One line, the right exit code, the thing that is wrong by name, and nothing left behind.
  @Test(arguments: programs) func oneLineThatNamesWhatIsWrong(_ bad: BadInput) async throws {
    let place = try EpicCommand.workplace()
    try bad.change?(place.url)
    let before = try Self.listing(place.url)
    let outcome = try await EpicCommand.run(bad.arguments(place.url), input: bad.input)
    #expect(outcome.code == bad.code, "\(outcome.err)")
    #expect(outcome.out == "")
    let lines = outcome.err.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines.last == "" && outcome.err.hasPrefix("epic: "), "\(outcome.err)")
    for fragment in bad.says { #expect(outcome.err.contains(fragment), "\(fragment) in: \(outcome.err)") }
    #expect(try Self.listing(place.url) == before)
  }

  /// The same of wrong usage.
  @Test func wrongUsageIsOneLineToo() async throws {
    let place = try EpicCommand.workplace()
    let before = try Self.listing(place.url)
    for bad in Self.usages {
      let ending = await Main.run(bad.arguments(place.url))
      let line = ending.line ?? ""
      #expect(ending.code == 2 && ending.text == nil, "\(bad.name): \(line)")
      #expect(line.hasPrefix("epic: ") && !line.contains("\n"), "\(bad.name): \(line)")
      for fragment in bad.says { #expect(line.contains(fragment), "\(bad.name): \(fragment) in: \(line)") }
      #expect(try Self.listing(place.url) == before, "\(bad.name)")
    }
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
