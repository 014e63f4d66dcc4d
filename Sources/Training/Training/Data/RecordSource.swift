import Basics
import Foundation

/// Records that lie together: one file of them, or tar shards.
protocol RecordSource: Sendable {
  /// What errors call it.
  var path: String { get }
  /// Number of records, the unusable ones included.
  var count: Int { get }
  /// Differs, as good as certainly, between sources whose records differ in place, length or number of words.
  var fingerprint: UInt64 { get }

  /// A record's length as the sampler takes it: its words, at least 1, negative where it has no image.
  func length(at record: Int) -> Int

  /// Reads a record.
  ///
  /// - Parameters:
  ///   - record: 0..<``count``.
  ///   - index: what its ``SampleFault`` calls it.
  /// - Throws: ``SampleFault``, `DatasetError`.
  func record(at record: Int, index: Int) throws -> InstructionRecord

  /// Where a medium of a record lies.
  ///
  /// - Parameter path: one of the record's.
  /// - Throws: `DatasetError`.
  func place(of path: String, at record: Int) throws -> MediumPlace
}

/// Where a medium of a record lies.
enum MediumPlace: Sendable {
  case file(URL)
  /// In the record itself, or in its shard.
  case inside(InsideMedium)
  /// Nowhere, and why.
  case absent(reason: String)

  /// What the readers of media call it.
  var name: String {
    if case .file(let url) = self { url.relativePath } else { "the content" }
  }

  /// Whether there is anything.
  var isThere: Bool {
    switch self {
    case .file(let url): FileManager.default.fileExists(atPath: url.path)
    case .inside: true
    case .absent: false
    }
  }

  /// What a reader found wrong, without the name: the record's own path is named beside it.
  func reason(_ error: some CustomStringConvertible) -> String {
    let (text, prefix) = (error.description, name + ": ")
    return text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
  }
}

/// A medium that is no file of its own.
struct InsideMedium: Sendable {
  /// Larger videos and sounds are not read into memory.
  static let mostBytes = 1 << 30

  /// Its bytes, or the most that they can be.
  let count: Int
  /// Reads them.
  ///
  /// - Throws: `RecordProblem` where they are none; `DatasetError`.
  let read: @Sendable () throws -> [UInt8]

  /// Reads a video or sound.
  ///
  /// - Throws: as `read`; `RecordProblem` of a code where it is too large.
  func read(orThrow code: SampleFault.Code, _ shown: String) throws -> [UInt8] {
    if count > Self.mostBytes {
      throw RecordProblem(code, "it has \(count) bytes, more than the \(Self.mostBytes) that are read into memory", path: shown)
    }
    return try read()
  }
}
