import Basics
import Foundation

/// Why standard output takes no more.
enum OutputError: Error, CustomStringConvertible {
  /// Its reader went away, as `head` does once it has seen enough.
  case closed
  case failed(reason: String)

  var description: String {
    switch self {
    case .closed: "standard output: closed by its reader"
    case .failed(let reason): "standard output: cannot be written (\(reason)); check where it leads"
    }
  }
}

/// Writes text to standard output, at once and without a newline.
///
/// Foundation's own writing ends the process with a trap where the reader is gone or the disk is full.
func printNow(_ text: String) throws {
  try Array(text.utf8).withUnsafeBytes { bytes in
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        // Whoever started the program may share an output that does not wait by itself.
        var wait = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        poll(&wait, 1, -1)
      } else if errno != EINTR {
        throw errno == EPIPE ? OutputError.closed : .failed(reason: systemReason())
      }
    }
  }
}

func printLine(_ text: String = "") throws { try printNow(text + "\n") }

/// Prints one JSON object on one line, keys sorted.
func printJSON(_ value: some Encodable) throws {
  try printLine(String(decoding: try value.jsonData(), as: UTF8.self))
}

func printError(_ line: String) {
  // Where not even this can be written, the exit code has to tell.
  try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
}

/// Says something that is no failure, beside what standard output holds.
func printNote(_ note: String?) {
  if let note { printError("epic: note: \(oneLine(note))") }
}

/// Largest amount of memory that this process has held, in bytes.
///
/// On Linux `getrusage` answers with what the process that started this one held, where that is more. The kernel's own list does not;
/// other systems have no such list.
func peakMemoryBytes() -> Int {
  if let bytes = memoryBytes("VmHWM:") { return bytes }
  var usage = rusage()
  guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return usage.ru_maxrss * 1024
}

/// Memory that this process holds now, in bytes; 0 where the system does not say it.
func residentMemoryBytes() -> Int { memoryBytes("VmRSS:") ?? 0 }

/// An entry of the kernel's list of this process's memory; nil where the system has no such list, which is no failure.
private func memoryBytes(_ name: String) -> Int? {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
    let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
  else { return nil }
  return kibibytes * 1024
}

/// Columns of the terminal that standard output is; nil where it is none.
func terminalWidth() -> Int? {
  var size = winsize()
  guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
  return Int(size.ws_col)
}
