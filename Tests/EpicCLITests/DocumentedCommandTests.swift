import Foundation
import TestSupport
import Testing

/// Commands of the documents, typed as they stand there.
@Suite struct DocumentedCommandTests {
  private struct Typed: Hashable {
    let line: String
    let words: [String]
  }

  /// What is not typed here, and where it is.
  private static let elsewhere: [(has: String, reason: String)] = [
    ("epic demo", "DemoCommandTests"),
    ("--demo", "ServingTests"),
    ("epic base", "LabCommandTests"),
    ("epic align", "DemoTests"),
    ("epic lab", "LabCommandTests"),
    ("epic bench", "BenchTrainTests, and Benchmarks"),
    ("epic pull", "HubCommandTests, with a hub of their own"),
    ("epic watch", "WatchCommandTests, as a video takes its time"),
    ("--train 24000", "the laboratory's data, of which the stage has fewer"),
    ("steps=500", "TrainingCommandTests, with fewer steps"),
    ("--tls-cert", "DocumentedRequestTests, with a certificate"),
    ("data make moving-shapes", "MovingShapesCommandTests"),
    ("--generate-completion-script", "DocumentedProgramTests"),
    ("--benchmark all", "EvaluationCommandTests, with all layouts"),
  ]

  /// Each command once, from blocks of commands and behind prompts.
  private static func commands() throws -> [Typed] {
    var found: [Typed] = []
    for document in try Document.all() {
      for block in document.blocks where ["sh", "text", ""].contains(block.language) {
        let lines = block.language == "sh" ? block.lines : block.lines.filter { $0.hasPrefix("$ ") }
        for line in ShellLine.whole(lines) {
          guard let words = ShellLine.commands(in: [line]).first, words.count > 1, words[0] == "epic" else { continue }
          let typed = Typed(line: line.trimmingCharacters(in: .whitespaces), words: words)
          if !found.contains(typed) { found.append(typed) }
        }
      }
    }
    return found
  }

  /// Names that a command makes, so that they are not there yet.
  private static func made(_ words: [String]) -> [String] {
    func value(_ option: String) -> String? { words.firstIndex(of: option).map { words[$0 + 1] } }
    var found = [value("--output")].compactMap(\.self)
    switch words[1] {
    case "convert": found.append(words[words.firstIndex(of: "--projector") == 3 ? 5 : 3])
    case "train" where !words.contains("--resume"): found += ["run", "mine-run"]
    case "eval" where found.isEmpty: found.append("evaluation")
    default: break
    }
    return found
  }

  @Test func commandsDoWhatTheyAreSaidToDo() async throws {
    let all = try Self.commands()
    for (has, reason) in Self.elsewhere { #expect(all.contains { $0.line.contains(has) }, "no document has \(has): \(reason)") }
    let typed = all.filter { command in !Self.elsewhere.contains { command.line.contains($0.has) } }
    #expect(typed.count > 60)
    let stage = try await DocumentStage.shared.value
    await withTaskGroup(of: Void.self) { group in
      for command in typed {
        group.addTask {
          do {
            try await Self.check(command, on: stage)
          } catch {
            Issue.record("\(command.line): \(error)")
          }
        }
      }
    }
  }

  private static func check(_ command: Typed, on stage: DocumentStage) async throws {
    // Ports that are free, whatever else runs on the machine.
    let isServer = command.words[1] == "serve"
    let line = command.line + (isServer ? " --port 0" : command.words.contains("--watch") ? " --watch 0" : "")
    let stop: EpicCommand.During = { program in
      try await program.send(SIGTERM) { try program.printed().contains("http://") }
    }
    let outcome = try await stage.type(
      line, made: made(command.words), input: Data("Hello\n/exit\n".utf8), during: isServer ? stop : nil)
    #expect(outcome.code == 0, "\(line): \(outcome.err)")
    #expect(isServer || !outcome.out.isEmpty, "\(line) prints nothing")
  }
}
