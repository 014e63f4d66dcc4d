/// Rows of cells under headings, as aligned text or as Markdown.
public struct TextTable: Sendable, Equatable {
  /// The headings.
  public let headings: [String]
  /// Cells, as many in each row as there are headings.
  public let rows: [[String]]
  /// Whether a column holds words, which stand on the left; numbers stand on the right.
  public let isText: [Bool]
  /// The first columns, which say what a row is and stand in each part of a table that is too wide.
  private let names: Int

  /// A table whose first column holds words, and names its rows.
  public init(headings: [String], rows: [[String]]) {
    self.init(headings: headings, rows: rows, isText: headings.indices.map { $0 == 0 }, names: 1)
  }

  /// A table.
  ///
  /// - Parameters:
  ///   - isText: which columns hold words.
  ///   - names: how many of the first columns say what a row is.
  public init(headings: [String], rows: [[String]], isText: [Bool], names: Int) {
    (self.headings, self.rows, self.isText, self.names) = (headings, rows, isText, names)
  }

  /// Lines for a terminal, columns aligned and two blanks apart.
  ///
  /// - Parameter width: where the table is wider, its columns stand in several parts, each with the columns that name the row.
  public func text(width: Int? = nil) -> String {
    let cells = [headings] + rows
    let widths = headings.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    let first = headings.indices.prefix(names)
    var parts = [Array(first)]
    for column in headings.indices.dropFirst(names) {
      let taken = parts[parts.count - 1].reduce(0) { $0 + widths[$1] + 2 }
      if let width, taken + widths[column] > width, parts[parts.count - 1].count > names { parts.append(Array(first)) }
      parts[parts.count - 1].append(column)
    }
    let blocks = parts.map { part in
      cells.map { row in
        let line = part.map { isText[$0] ? row[$0].leftAligned(widths[$0]) : row[$0].rightAligned(widths[$0]) }
        return String(line.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
      }.joined(separator: "\n")
    }
    return blocks.joined(separator: "\n\n")
  }

  /// The table in Markdown.
  public var markdown: String {
    let rule = isText.map { $0 ? "---" : "---:" }
    let escaped = { (cells: [String]) in cells.map { $0.replacing("|", with: "\\|") } }
    return ([escaped(headings), rule] + rows.map(escaped)).map { "| " + $0.joined(separator: " | ") + " |" }
      .joined(separator: "\n")
  }
}

extension String {
  /// With blanks behind it, `width` characters wide; longer ones stay as they are.
  public func leftAligned(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

  /// With blanks in front of it, `width` characters wide; longer ones stay as they are.
  public func rightAligned(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
