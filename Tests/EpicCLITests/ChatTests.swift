import Foundation
import TestSupport
import Testing

@Suite struct ChatTests {
  private func chat(_ place: Scratch, _ lines: String, _ arguments: [String] = []) async throws -> EpicCommand.Outcome {
    try await EpicCommand.run(
      ["chat", "--model", place.url.appending(path: "model").path, "--max-tokens", "6"] + arguments, input: Data(lines.utf8))
  }

  @Test func turnsAreAnsweredAndRemembered() async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png").path
    let outcome = try await chat(
      place, "What is it?\n\nAnd the roof?\n/history\n/reset\n/history\n/wings\n/help\n/exit\nnever read\n", ["--image", house])
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.contains("> What is it?\n") && outcome.out.contains("> And the roof?\n"))
    #expect(!outcome.out.contains("<image>"))
    #expect(outcome.out.contains("begins anew") && outcome.out.contains("no command /wings") && outcome.out.contains("Ctrl-C"))
    #expect(!outcome.out.contains("never read"))
  }

  @Test func theEndOfInputEndsTheProgram() async throws {
    let place = try EpicCommand.workplace()
    #expect(try await chat(place, "").code == 0)
    #expect(try await chat(place, "no newline at the end").code == 0)
  }

  @Test func aTurnThatCannotBeAnsweredLeavesTheRest() async throws {
    let place = try EpicCommand.workplace()
    let outcome = try await chat(place, "Hi\n<image> again\nStill there?\n/history\n")
    #expect(outcome.code == 0)
    #expect(outcome.err.hasPrefix("epic: ") && outcome.err.split(separator: "\n").count == 1 && outcome.err.contains("<image>"))
    #expect(outcome.out.contains("> Hi\n") && outcome.out.contains("> Still there?\n") && !outcome.out.contains("again"))
  }

  /// Ctrl-C ends the answer, then the prompt's wait; the program ends by /exit.
  @Test func interruptsStopTheAnswerAndNotTheProgram() async throws {
    let place = try EpicCommand.workplace()
    let outcome = try await EpicCommand.run(
      ["chat", "--model", place.url.appending(path: "model").path, "--max-tokens", "3000"]
    ) { program in
      try await program.write("Go on and on\n")
      try await Patience.wait(for: "the answer to begin") { try !program.printed().isEmpty }
      program.send(SIGINT)
      try await Patience.wait(for: "the answer to end") { try program.printed().contains("[stopped]") }
      program.send(SIGINT)
      try await Task.sleep(for: .milliseconds(200))
      #expect(program.isRunning)
      try await program.write("/history\n/exit\n")
      try await Patience.wait(for: "the end") { !program.isRunning }
    }
    #expect(outcome.code == 0, "\(outcome.err)")
    #expect(outcome.out.contains("> Go on and on\n"))
  }
}
