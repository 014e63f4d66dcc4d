import Foundation

/// A table of tab-separated values with CSV's double quotes, inside which tabs and line breaks are content.
///
/// Cells are kept as bytes: those of pictures have megabytes of base64, and are not copied.
struct TabTable {
  struct Row {
    let line: Int
    fileprivate let cells: [ArraySlice<UInt8>]
  }

  let path: String
  let rows: [Row]
  let columns: [String]
  private let places: [String: Int]

  init(_ url: URL) throws {
    path = url.relativePath
    let bytes: [UInt8]
    do {
      bytes = [UInt8](try Data(contentsOf: url))
    } catch {
      throw EvaluationError.unreadable(path: path, reason: "not a readable file")
    }
    var rows = try Self.rows(of: bytes, path: path)
    guard !rows.isEmpty else { throw EvaluationError.malformed(path: path, reason: "it is empty") }
    columns = rows.removeFirst().cells.map { String(decoding: $0, as: UTF8.self) }
    places = Dictionary(columns.enumerated().map { ($1, $0) }) { first, _ in first }
    self.rows = rows
  }

  /// Refuses a table without some columns.
  func require(_ names: [String]) throws {
    let missing = names.filter { places[$0] == nil }
    if !missing.isEmpty {
      throw EvaluationError.malformed(path: path, reason: "it has no column \(missing.joined(separator: ", "))")
    }
  }

  func bytes(_ row: Row, _ column: String) -> ArraySlice<UInt8> {
    guard let place = places[column], place < row.cells.count else { return [] }
    return row.cells[place]
  }

  func text(_ row: Row, _ column: String) -> String { String(decoding: bytes(row, column), as: UTF8.self) }

  private static func rows(of bytes: [UInt8], path: String) throws -> [Row] {
    var rows: [Row] = []
    var cells: [ArraySlice<UInt8>] = []
    var position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var (line, rowLine) = (1, 1)
    while position < bytes.count {
      let isQuoted = bytes[position] == UInt8(ascii: "\"")
      var end: Int
      if isQuoted {
        (end, position) = (position, position + 1)
        var content: [UInt8] = []
        var closed = false
        while position < bytes.count, !closed {
          let next = bytes[position...].firstIndex(of: UInt8(ascii: "\"")) ?? bytes.count
          content += bytes[position..<next]
          closed = next < bytes.count && !(next + 1 < bytes.count && bytes[next + 1] == UInt8(ascii: "\""))
          if next < bytes.count, !closed { content.append(UInt8(ascii: "\"")) }
          position = next + (closed ? 1 : 2)
        }
        if !closed { throw EvaluationError.malformed(path: path, reason: "the quote in the row of line \(rowLine) does not end") }
        line += content.count { $0 == UInt8(ascii: "\n") }
        end = bytes[position...].firstIndex { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") } ?? bytes.count
        cells.append((content + bytes[position..<end].filter { $0 != UInt8(ascii: "\r") })[...])
      } else {
        end = bytes[position...].firstIndex { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") } ?? bytes.count
        let isLast = end == bytes.count || bytes[end] == UInt8(ascii: "\n")
        let hasReturn = isLast && end > position && bytes[end - 1] == UInt8(ascii: "\r")
        cells.append(bytes[position..<(hasReturn ? end - 1 : end)])
      }
      position = end + 1
      if end == bytes.count || bytes[end] == UInt8(ascii: "\n") {
        if cells.count > 1 || cells[0].count > 0 { rows.append(Row(line: rowLine, cells: cells)) }
        cells = []
        line += 1
        rowLine = line
      }
    }
    return rows
  }
}
