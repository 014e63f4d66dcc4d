import Basics
import Foundation

/// A file for a server or for a benchmark's own scorer.
public struct ExportedFile: Sendable, Equatable {
  /// The name that the receiver expects, as a path inside a folder.
  public let name: String
  /// The bytes.
  public let contents: Data

  init(name: String, contents: Data) {
    self.name = name
    self.contents = contents
  }

  /// A file that is one JSON document; keys sorted, so that the same answers give the same bytes.
  init(name: String, json value: some Encodable) throws {
    self.init(name: name, contents: try value.jsonData())
  }

  /// Writes it into a folder, which is made where it is not there; the file appears whole or not at all.
  ///
  /// - Returns: where it lies.
  /// - Throws: `EvaluationError.unwritable`.
  @discardableResult
  public func write(into folder: URL) throws -> URL {
    let url = folder.appending(path: name)
    do {
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try WholeFile.write(contents, to: url)
    } catch {
      throw EvaluationError.unwritable(path: url.relativePath, reason: systemReason(error))
    }
    return url
  }
}
