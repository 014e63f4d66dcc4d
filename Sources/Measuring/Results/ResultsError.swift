import Basics
import Foundation

/// Why results cannot be read or written.
public enum ResultsError: Error, Equatable, CustomStringConvertible {
  /// The folder holds none.
  case missing(path: String)
  /// The file is not what `epic eval` writes.
  case malformed(path: String, reason: String)
  /// A line of a run's metrics is not what `epic train` writes.
  case badLine(path: String, line: Int, reason: String)
  /// Pictures with answers are not what belongs there.
  case badPictures(path: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .missing(let path):
      "\(path): no such file, nor metrics.jsonl or pictures.json; name a folder that epic eval, epic train or epic demo wrote"
    case .malformed(let path, let reason): "\(path): \(reason); run epic eval again, which keeps the answers that it has"
    case .badLine(let path, let line, let reason): "\(path), line \(line): \(reason); leave this run out, or take the line away"
    case .badPictures(let path, let reason): "\(path): \(reason); run epic demo again, or leave this folder out"
    }
  }

  /// What a decoder or the system found wrong, in half a sentence.
  static func reason(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): return "it has no \(key.stringValue)"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      return "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is not what belongs there"
    case is DecodingError: return "it is not JSON"
    default: return systemReason(error)
    }
  }
}

/// A file's bytes.
///
/// - Throws: `ResultsError`.
func readFile(_ url: URL) throws -> Data {
  do {
    return try Data(contentsOf: url)
  } catch {
    throw ResultsError.malformed(path: url.relativePath, reason: ResultsError.reason(error))
  }
}

/// Writes a file whole or not at all; its folder is made where it is not there.
///
/// - Throws: `FileError.failed`.
func writeFile(_ data: Data, to url: URL) throws {
  do {
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try WholeFile.write(data, to: url)
  } catch {
    throw FileError.failed(path: url.relativePath, reason: systemReason(error))
  }
}
