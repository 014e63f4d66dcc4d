import Foundation
import TestSupport
import Testing

@testable import EpicCLI

/// `epic chat` on a terminal, which `script` plays.
@Suite struct LineEditorTests {
  private func chat(_ place: Scratch, during: @escaping EpicCommand.During) async throws -> EpicCommand.Outcome {
    let model = place.url.appending(path: "model").path
    // Without `exec` some shells wait beside the program, and Ctrl-C ends them: their code, 130, would be the outcome.
    let command = "exec '\(EpicCommand.program.path)' chat --model '\(model)' --max-tokens 2"
    return try await EpicCommand.run(
      ["-qec", command, "/dev/null"],
      environment: ["XDG_STATE_HOME": place.url.appending(path: "state").path, "TERM": "xterm", "HOME": place.url.path],
      program: URL(filePath: "/usr/bin/script"), during: during)
  }

  /// Writes keys once the prompt is there for the so-manieth time.
  private static func type(_ keys: String, at prompt: Int, _ program: Program.Running) async throws {
    let isThere = try await Patience.wait(for: "prompt \(prompt)") {
      let lines = try program.printed().split(separator: "\r\n", omittingEmptySubsequences: false)
      return lines.count { $0.hasPrefix("> ") || $0.hasPrefix("\r> ") } >= prompt
    }
    if isThere { try await program.write(keys) }
  }

  /// Arrows move in the line; what was typed comes back in the next conversation, and nobody else may read it.
  @Test func linesAreEditedAndRemembered() async throws {
    let place = try EpicCommand.workplace()
    let first = try await chat(place) { program in
      try await Self.type("Is ït\u{1b}[D\u{1b}[D\u{1b}[Da \n", at: 1, program)
      try await Self.type("/history\n", at: 2, program)
      try await Self.type("\u{4}", at: 4, program)
    }
    #expect(first.code == 0 && first.out.contains("> Isa  ït\r\n"), "\(first)")
    let history = place.url.appending(path: "state/epic/chat-history")
    let attributes = try FileManager.default.attributesOfItem(atPath: history.path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)

    let second = try await chat(place) { program in
      try await Self.type("\u{1b}[A\u{1b}[A?\n", at: 1, program)
      try await Self.type("/history\n", at: 2, program)
      try await Self.type("/exit\n", at: 4, program)
    }
    #expect(second.code == 0 && second.out.contains("> Isa  ït?\r\n"), "\(second)")
  }

  @Test func ctrlCLeavesTheLineAndNotTheProgram() async throws {
    let place = try EpicCommand.workplace()
    let outcome = try await chat(place) { program in
      try await Self.type("never sent\u{3}", at: 1, program)
      try await Self.type("Hi\n", at: 2, program)
      try await Self.type("/history\n", at: 3, program)
      try await Self.type("\u{4}", at: 5, program)
    }
    #expect(outcome.code == 0 && outcome.out.contains("> Hi\r\n"), "\(outcome)")
    let kept = try String(contentsOf: place.url.appending(path: "state/epic/chat-history"), encoding: .utf8)
    #expect(kept.contains("Hi") && !kept.contains("never"))
  }

  /// A file of somebody else's stays as it is.
  @Test func foreignFilesAreLeftAlone() async throws {
    let place = try EpicCommand.workplace()
    let folder = place.url.appending(path: "state/epic")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appending(path: "chat-history")
    try Data("my own notes\n".utf8).write(to: file)
    let outcome = try await chat(place) { program in try await Self.type("/exit\n", at: 1, program) }
    #expect(outcome.code == 0 && outcome.out.contains("note: ") && outcome.out.contains("chat-history"), "\(outcome)")
    #expect(try String(contentsOf: file, encoding: .utf8) == "my own notes\n")
  }

  @Test func foldersAreWhereTheSystemSays() {
    let (state, cache) = ({ UserFolders.state($0)?.path }, { UserFolders.cache($0)?.path })
    #expect(state(["XDG_STATE_HOME": "/s", "HOME": "/h"]) == "/s/epic")
    #expect(state(["XDG_STATE_HOME": "relative", "HOME": "/h"]) == "/h/.local/state/epic")
    #expect(cache(["XDG_CACHE_HOME": "/c", "HOME": "/h"]) == "/c/epic" && cache(["HOME": "/h"]) == "/h/.cache/epic")
    #expect(cache(["EPIC_CACHE": "/e", "XDG_CACHE_HOME": "/c"]) == "/e" && state([:]) == nil && cache([:]) == nil)
  }
}
