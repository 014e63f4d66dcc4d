import Basics
import CLineEditor
import Foundation

/// Where a program's lines come from.
protocol LineSource {
  /// Waits for a line, the end, or Ctrl-C.
  mutating func next() -> LineReader.Event
  /// Is told that no more lines are wanted.
  func close() throws
}

/// Lines of a terminal, edited with libedit: arrow keys, Ctrl-R for lines typed earlier, and the user's `~/.editrc`.
final class LineEditor: LineSource {
  /// Lines that are remembered.
  static let remembered = 1000

  private let editor: OpaquePointer
  private let interrupts: Interrupts
  /// Where lines typed earlier are kept; nil where they are not.
  private let history: URL?

  /// - Parameters:
  ///   - prompt: is shown before each line.
  ///   - history: the file of lines typed earlier, made where it is missing; nil for none.
  /// - Throws: `InputError` where memory is short.
  init(prompt: String, _ interrupts: Interrupts, history: URL?) throws {
    guard let editor = epic_line_editor_open(prompt, interrupts.descriptor, Int32(Self.remembered)) else {
      throw InputError(description: "there is no memory to edit lines with")
    }
    (self.editor, self.interrupts) = (editor, interrupts)
    guard let history, FileManager.default.fileExists(atPath: history.path) else {
      self.history = history
      return
    }
    let isRead = epic_line_editor_load(editor, history.path) != 0
    self.history = isRead ? history : nil
    if !isRead { printNote("\(history.path): is no history of lines, so it is left as it is and nothing is remembered") }
  }

  deinit { epic_line_editor_close(editor) }

  func next() -> LineReader.Event {
    var (line, count): (UnsafePointer<CChar>?, Int) = (nil, 0)
    switch epic_line_editor_read(editor, &line, &count) {
    case EPIC_LINE_INTERRUPTED:
      _ = interrupts.take()
      return .interrupted
    case EPIC_LINE_READ:
      guard let line else { return .end }
      let bytes = UnsafeRawBufferPointer(start: line, count: count)
      guard let text = String(validating: bytes, as: UTF8.self) else { return .invalid }
      let plain = text.hasSuffix("\n") ? String(text.dropLast()) : text
      if !plain.allSatisfy(\.isWhitespace) { epic_line_editor_remember(editor, plain) }
      return .line(plain)
    default: return .end
    }
  }

  /// Keeps the lines for the next time.
  ///
  /// - Throws: `FileError`.
  func close() throws {
    guard let history else { return }
    do {
      try FileManager.default.createDirectory(at: history.deletingLastPathComponent(), withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(path: history.path, reason: systemReason(error))
    }
    try WholeFile.write(to: history) { descriptor in
      if epic_line_editor_save(editor, descriptor) == 0 { throw FileError.failed(path: history.path, reason: systemReason()) }
    }
  }

  /// Where `epic chat` keeps what was typed; nil where there is no home.
  static func chatHistory() -> URL? { UserFolders.state()?.appending(path: "chat-history") }
}
