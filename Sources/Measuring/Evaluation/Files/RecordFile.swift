import Foundation
import Language

/// A file of JSON records, read record by record.
struct RecordFile {
  let path: String
  private let bytes: [UInt8]

  init(_ url: URL) throws {
    path = url.relativePath
    do {
      bytes = [UInt8](try Data(contentsOf: url))
    } catch {
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw EvaluationError.unreadable(path: path, reason: exists ? "not a readable file" : "no such file")
    }
  }

  /// Visits the records of a file that is a JSON list or has one object in each line, whatever its name ends in.
  ///
  /// POPE's `.json` files are lines. In lines, a broken one costs nothing but itself; a list that is no JSON is refused.
  ///
  /// - Returns: the records that could not be used: no JSON, or `body` threw for them.
  func records(_ body: (Record) throws -> Void) throws -> [RecordFault] {
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    if bytes[start...].first(where: { !Self.isSpace($0) }) == UInt8(ascii: "[") { return try members { try body($1) } }
    var faults: [RecordFault] = []
    var line = 0
    for text in bytes[start...].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      line += 1
      if text.allSatisfy(Self.isSpace) { continue }
      do {
        try body(Record(file: path, line: line, value: try JSONReader.parse(Array(text))))
      } catch let failure as JSONReader.Failure {
        faults.append(RecordFault(file: path, line: line, reason: "not valid JSON (\(failure.problem), byte \(failure.offset))"))
      } catch {
        faults.append(fault(error, line: line))
      }
    }
    return faults
  }

  /// Visits the members of the outermost list or object, or of the list or object that the outermost object has under a key.
  ///
  /// - Returns: the records for which `body` threw.
  /// - Throws: `EvaluationError.malformed` where the file is no JSON or holds no such list.
  func members(under key: String? = nil, _ body: (_ name: String?, Record) throws -> Void) throws -> [RecordFault] {
    var faults: [RecordFault] = []
    var (line, seen) = (1, 0)
    do {
      let found = try JSONReader.visit(bytes, under: key) { name, value, offset in
        line += lines(in: seen..<offset)
        seen = offset
        do {
          try body(name, Record(file: path, line: line, value: value))
        } catch {
          faults.append(fault(error, line: line))
        }
      }
      if !found {
        throw EvaluationError.malformed(path: path, reason: "it holds no list or object\(key.map { " under \"\($0)\"" } ?? "")")
      }
    } catch let failure as JSONReader.Failure {
      let line = 1 + lines(in: 0..<min(failure.offset, bytes.count))
      throw EvaluationError.malformed(path: path, reason: "not valid JSON at line \(line) (\(failure.problem))")
    }
    return faults
  }

  private func lines(in range: Range<Int>) -> Int { bytes[range].count { $0 == UInt8(ascii: "\n") } }

  private func fault(_ error: any Error, line: Int) -> RecordFault {
    error as? RecordFault ?? RecordFault(file: path, line: line, reason: "\(error)")
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
}
