import Basics
import Foundation
import Synchronization

/// The end of a pipe that the signal handler writes to.
private let interruptPipe = Atomic<Int32>(-1)

/// Ctrl-C as something to be asked for, in place of the end of the program.
///
/// The handler writes into a pipe, because a read that waits for input runs on another thread than the one that the signal
/// interrupts, and a pipe can be waited for together with the input.
struct Interrupts {
  /// Readable once Ctrl-C has been pressed.
  let descriptor: Int32

  /// Takes Ctrl-C over for the rest of the program.
  init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else {
      throw InputError(description: "no pipe can be opened for Ctrl-C: \(systemReason())")
    }
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    descriptor = ends[0]
    interruptPipe.store(ends[1], ordering: .relaxed)
    signal(SIGINT) { _ in
      let number = errno
      _ = write(interruptPipe.load(ordering: .relaxed), "!", 1)
      errno = number
    }
  }

  /// True where Ctrl-C was pressed since the last question.
  func take() -> Bool {
    var found = false
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { room in
      while read(descriptor, room.baseAddress, room.count) > 0 { found = true }
    }
    return found
  }
}

/// Lines of standard input, as they come.
struct LineReader: LineSource {
  enum Event: Equatable {
    case line(String)
    /// A line that is not UTF-8.
    case invalid
    case interrupted
    case end
  }

  private let interrupts: Interrupts
  private var buffer: [UInt8] = []
  private var isAtEnd = false

  init(_ interrupts: Interrupts) { self.interrupts = interrupts }

  /// Waits for a line, the end, or Ctrl-C.
  mutating func next() -> Event {
    while true {
      if let newline = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        defer { buffer.removeFirst(newline + 1) }
        return decode(buffer[..<newline])
      }
      if isAtEnd {
        if buffer.isEmpty { return .end }
        defer { buffer = [] }
        return decode(buffer[...])
      }
      var waiting = [STDIN_FILENO, interrupts.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      guard poll(&waiting, nfds_t(waiting.count), -1) > 0 else { continue }
      if interrupts.take() { return .interrupted }
      if waiting[0].revents != 0 { fill() }
    }
  }

  func close() {}

  private mutating func fill() {
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { room in
      let count = read(STDIN_FILENO, room.baseAddress, room.count)
      if count > 0 {
        buffer += room.prefix(count)
      } else if count == 0 || errno != EINTR && errno != EAGAIN {
        isAtEnd = true
      }
    }
  }

  private func decode(_ bytes: ArraySlice<UInt8>) -> Event {
    String(validating: bytes, as: UTF8.self).map(Event.line) ?? .invalid
  }
}
