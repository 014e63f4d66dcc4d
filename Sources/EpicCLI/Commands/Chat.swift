import ArgumentParser
import Foundation
import Language
import LLaVA

/// A conversation about pictures, videos or sound.
struct Chat: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talk about pictures, videos or sound.",
    discussion: """
      Each line is a turn; earlier turns are remembered. Ctrl-C ends the answer, not the program; Ctrl-D ends the program.
      /reset forgets the conversation, /history shows it, /help lists these, /exit leaves.
      On a terminal a line can be edited; the arrow keys and Ctrl-R bring back earlier lines, those of earlier conversations as well.
      With --keep or --ratio the first question decides which visual tokens stay for the whole conversation.

      Example: epic chat --model llava-hf/llava-1.5-7b-hf --image photo.jpg
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var images: ImageOptions
  @OptionGroup var videos: VideoOptions
  @OptionGroup var sounds: AudioOptions
  @OptionGroup var compression: CompressionOptions
  @OptionGroup var sampling: SamplingOptions

  func run() async throws {
    let (pictures, films) = (try images.load(), try videos.open())
    if !films.isEmpty, !sounds.audio.isEmpty {
      throw ValidationError("--audio and --video exclude each other: no model takes both")
    }
    var options = sampling.options
    let folder = try await model.model.folder()
    options.compression = try compression.plan(forCheckpoint: folder)
    let pipeline = try model.load(from: folder)
    let order = MediaTags([], images: pictures.count, videos: films.count, audio: sounds.audio.count).media
    var session = ChatSession(
      pipeline, pictures: try pipeline.media(order, pictures, films, videos.frames.sampling, sounds), options)
    let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    let interrupts = try Interrupts()
    var lines: any LineSource =
      isTerminal ? try LineEditor(prompt: "> ", interrupts, history: LineEditor.chatHistory()) : LineReader(interrupts)
    if isTerminal {
      var media = "\(pictures.count) picture\(pictures.count == 1 ? "" : "s")"
      if !sounds.audio.isEmpty { media += ", \(sounds.audio.count) sound\(sounds.audio.count == 1 ? "" : "s")" }
      if !films.isEmpty { media += ", \(films.count) video\(films.count == 1 ? "" : "s")" }
      try printLine("\(media). /help lists commands, Ctrl-D leaves.")
    }
    while true {
      switch lines.next() {
      case .end:
        if isTerminal { try printLine() }
        return try lines.close()
      case .interrupted: if isTerminal { try printLine() }
      case .invalid: printError("epic: the line is not UTF-8 text; write it again")
      case .line(let line):
        let text = line.trimmingCharacters(in: .whitespaces)
        if text.isEmpty { continue }
        if text.hasPrefix("/") {
          guard try command(text, &session) else { return try lines.close() }
        } else {
          try reply(to: text, &session, interrupts)
        }
      }
    }
  }

  /// Answers one turn; one that cannot be answered leaves the conversation as it was.
  private func reply(to text: String, _ session: inout ChatSession, _ interrupts: Interrupts) throws {
    var shown = ""
    var failure: (any Error)?
    let line = WaitingLine("reading the prompt")
    defer { line.end() }
    do {
      let answer = try session.reply(to: text) { piece in
        line.end()
        do { try printNow(piece) } catch { failure = error }
        shown += piece
        return failure == nil && !interrupts.take()
      }
      if let failure { throw failure }
      if answer.result.finish == .cancelled { try printNow(" [stopped]") }
      if !shown.hasSuffix("\n") || answer.result.finish == .cancelled { try printLine() }
    } catch let error as OutputError {
      throw error
    } catch {
      line.end()
      if !shown.isEmpty { try printLine() }
      let hint = session.turns.isEmpty ? "" : " (/reset forgets the conversation)"
      printError("epic: \(oneLine(describe(error)))\(hint)")
    }
  }

  /// Carries out a command; false ends the program.
  private func command(_ text: String, _ session: inout ChatSession) throws -> Bool {
    switch text {
    case "/exit", "/quit": return false
    case "/reset":
      session.reset()
      try printLine("The conversation begins anew.")
    case "/history":
      for turn in session.turns {
        let words = turn.text.replacing(imageTag + "\n", with: "")
        try printLine(turn.role == .user ? "> " + words : words)
      }
    case "/help":
      try printLine("/reset forgets the conversation, /history shows it, /exit or Ctrl-D leaves, Ctrl-C stops an answer.")
    default: try printLine("There is no command \(text); /help lists them.")
    }
    return true
  }
}
