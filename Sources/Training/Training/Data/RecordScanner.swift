/// Finds where the records of a JSON file lie, in one pass and without keeping any of it.
///
/// A file that begins with `[` is a list; a record is what stands between two commas at the top of it. A file that begins with `{`
/// holds one record in each line that is not blank. Only brackets and strings are looked at, so a record with a mistake inside
/// does not hide the records behind it.
struct RecordScanner {
  /// Bytes of a record in the file.
  struct Span: Equatable {
    var offset: Int
    var length: Int
  }

  /// Longer records are refused before they are read into memory.
  static let maximumLength = 1 << 28
  private static let bytesAtOnce = 1 << 20

  private enum State { case start, line, betweenLines, list, afterList }

  private let file: DataFile
  private var state = State.start
  private var begin = 0
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  private var isBlank = true
  private var found = 0

  /// Calls `body` for every record in the file's order, and `progress` with the bytes seen so far now and then.
  ///
  /// - Throws: `DatasetError.notRecords` where the file as a whole is not such a file; what `body` throws.
  static func scan(_ file: DataFile, progress: (Int) -> Void, _ body: (Span) throws -> Void) throws {
    var scanner = RecordScanner(file: file)
    var offset = 0
    while offset < file.size {
      let bytes = try file.bytes(at: offset, count: min(bytesAtOnce, file.size - offset))
      // A byte order mark is no content.
      let skipped = offset == 0 && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
      try bytes.withUnsafeBufferPointer { bytes in
        for position in skipped..<bytes.count { try scanner.take(bytes[position], at: offset + position, body) }
      }
      offset += bytes.count
      progress(offset)
    }
    try scanner.finish(body)
  }

  private init(file: DataFile) { self.file = file }

  private func failure(_ reason: String) -> DatasetError { .notRecords(file: file.path, reason: reason) }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

  @inline(__always)
  private mutating func take(_ byte: UInt8, at offset: Int, _ body: (Span) throws -> Void) throws {
    switch state {
    case .list: try takeInList(byte, at: offset, body)
    case .line: if byte == 0x0A { try endLine(at: offset, body) }
    case .betweenLines:
      if !Self.isSpace(byte) {
        state = .line
        begin = offset
      }
    case .start:
      if Self.isSpace(byte) { return }
      switch byte {
      case UInt8(ascii: "["):
        state = .list
        begin = offset + 1
      case UInt8(ascii: "{"):
        state = .line
        begin = offset
      default: throw failure("it begins with neither [ nor {")
      }
    case .afterList:
      if !Self.isSpace(byte) { throw failure("text after the end of the list, at byte \(offset)") }
    }
  }

  @inline(__always)
  private mutating func takeInList(_ byte: UInt8, at offset: Int, _ body: (Span) throws -> Void) throws {
    if isInString {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInString = false
      }
      return
    }
    switch byte {
    case UInt8(ascii: "\""): isInString = true
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: "}") where depth > 0: depth -= 1
    case UInt8(ascii: "]") where depth > 0: depth -= 1
    case UInt8(ascii: ","), UInt8(ascii: "]"):
      if depth > 0 { return }
      let isEnd = byte == UInt8(ascii: "]")
      if !(isEnd && isBlank && found == 0) { try emit(until: offset, body) }
      begin = offset + 1
      isBlank = true
      if isEnd { state = .afterList }
      return
    default: if Self.isSpace(byte) { return }
    }
    isBlank = false
  }

  private mutating func endLine(at offset: Int, _ body: (Span) throws -> Void) throws {
    try emit(until: offset, body)
    state = .betweenLines
  }

  private mutating func emit(until end: Int, _ body: (Span) throws -> Void) throws {
    let length = end - begin
    if length > Self.maximumLength {
      throw failure("record \(found), at byte \(begin), is longer than \(Self.maximumLength) bytes")
    }
    found += 1
    try body(Span(offset: begin, length: length))
  }

  private mutating func finish(_ body: (Span) throws -> Void) throws {
    switch state {
    case .line: try endLine(at: file.size, body)
    case .list:
      throw failure(
        "the list does not end: the file is cut short, or a bracket or quote is missing, at or behind record \(found)")
    case .start, .betweenLines, .afterList: break
    }
  }
}
