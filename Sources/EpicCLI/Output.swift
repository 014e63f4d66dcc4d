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
        throw errno == EPIPE ? OutputError.closed : .failed(reason: String(cString: strerror(errno)))
      }
    }
  }
}

func printLine(_ text: String = "") throws { try printNow(text + "\n") }

/// Prints one JSON object on one line, keys sorted.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  try printLine(String(decoding: try encoder.encode(value), as: UTF8.self))
}

func printError(_ line: String) {
  // Where not even this can be written, the exit code has to tell.
  try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
}

/// Largest amount of memory that this process has held, in bytes.
func peakMemoryBytes() -> Int {
  var usage = rusage()
  guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return usage.ru_maxrss * 1024
}

/// A number of bytes for people.
func formatBytes(_ bytes: Int) -> String {
  let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 1024, unit < units.count - 1 {
    value /= 1024
    unit += 1
  }
  return unit == 0 ? "\(bytes) bytes" : String(format: "%.1f %@", value, units[unit])
}

/// A count for people: 6738415616 as 6,738,415,616.
func formatCount(_ count: Int) -> String {
  var digits = Array(String(count))
  var index = digits.count - 3
  while index > 0 {
    digits.insert(",", at: index)
    index -= 3
  }
  return String(digits)
}

/// Rows of cells as lines, every column as wide as its widest cell, with its cells on the right.
func alignedTable(_ rows: [[String]]) -> [String] {
  let columns = rows.map(\.count).max() ?? 0
  let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  return rows.map { row in
    zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
  }
}

/// Columns of the terminal that standard output is; nil where it is none.
func terminalWidth() -> Int? {
  var size = winsize()
  guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
  return Int(size.ws_col)
}
