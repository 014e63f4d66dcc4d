import ArgumentParser
import Foundation
import LLaVA
import Synchronization

/// Set by Ctrl-C; the answer being written sees it and ends.
private let interrupted = Atomic<Bool>(false)

/// A conversation about pictures.
struct Chat: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talk about pictures.",
    discussion: """
      Each line is a turn; earlier turns are remembered. Ctrl-C ends the answer, not the program; Ctrl-D ends the program.
      /reset forgets the conversation, /history shows it, /help lists these, /exit leaves.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var images: ImageOptions
  @OptionGroup var sampling: SamplingOptions

  func run() async throws {
    let pictures = try images.load()
    var session = try ChatSession(try model.load(), images: pictures, sampling.options)
    let isTerminal = isatty(STDIN_FILENO) == 1
    signal(SIGINT) { _ in interrupted.store(true, ordering: .relaxed) }
    if isTerminal { print("\(pictures.count) picture\(pictures.count == 1 ? "" : "s"). /help lists commands, Ctrl-D leaves.") }
    while true {
      if isTerminal { printNow("> ") }
      guard let line = readLine() else { break }
      interrupted.store(false, ordering: .relaxed)
      let text = line.trimmingCharacters(in: .whitespaces)
      if text.isEmpty { continue }
      if text.hasPrefix("/") {
        if !command(text, &session) { break }
        continue
      }
      do {
        let answer = try session.reply(to: text) { piece in
          printNow(piece)
          return !interrupted.load(ordering: .relaxed)
        }
        print(answer.result.finish == .cancelled ? " [stopped]" : "")
      } catch {
        // A turn that cannot be answered leaves the conversation as it was.
        print()
        printError("epic: \(oneLine(describe(error)))")
      }
    }
    if isTerminal { print() }
  }

  /// Carries out a command; false ends the program.
  private func command(_ text: String, _ session: inout ChatSession) -> Bool {
    switch text {
    case "/exit", "/quit": return false
    case "/reset":
      session.reset()
      print("The conversation begins anew.")
    case "/history":
      for turn in session.turns { print("\(turn.role == .user ? "> " : "")\(turn.text)") }
    case "/help": print("/reset forgets the conversation, /history shows it, /exit or Ctrl-D leaves, Ctrl-C stops an answer.")
    default: print("There is no command \(text); /help lists them.")
    }
    return true
  }
}
