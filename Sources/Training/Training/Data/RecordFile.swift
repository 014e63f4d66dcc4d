import Basics
import Foundation
import Language

/// One file of records and the folder of its pictures.
///
/// Opening reads it once from front to back and keeps 16 bytes for each record: where it lies and how many words it has.
struct RecordFile: Sendable {
  private struct Entry {
    var offset: UInt64
    var length: UInt32
    /// Negative where the record has no image.
    var words: Int32
  }

  /// The folder that relative image paths begin at.
  let imageFolder: URL
  /// Differs, as good as certainly, between files whose records differ in place, length or number of words.
  let fingerprint: UInt64
  /// Path of the file.
  var path: String { file.path }
  /// Number of records, the unusable ones included.
  var count: Int { entries.count }

  private let file: DataFile
  private let entries: [Entry]

  /// - Parameters:
  ///   - images: the folder that relative image paths begin at; the file's own unless given.
  ///   - limit: takes the first so many records alone.
  ///   - progress: is called with the bytes that have been read and the bytes of the file.
  /// - Throws: `DatasetError` where the file cannot be read, is no JSON, or holds no record.
  init(contentsOf url: URL, images: URL?, limit: Int?, progress: (Int, Int) -> Void) throws {
    let file = try DataFile(url)
    if let images { try Self.requireFolder(images) }
    self.file = file
    imageFolder = images ?? url.deletingLastPathComponent()

    var entries: [Entry] = []
    var isJSON = false
    var complaint: String?
    var hash = StableHash()
    try RecordScanner.scan(file) {
      progress($0, file.size)
    } _: { span in
      // A record that cannot be used has a place in the order all the same, as one word of text; it is skipped there.
      var words = -1
      do {
        let value = try Self.value(of: file.bytes(at: span.offset, count: span.length))
        isJSON = true
        let record = try InstructionRecord(value)
        words = max(1, record.words) * (record.images.isEmpty ? -1 : 1)
      } catch let problem as RecordProblem {
        complaint = complaint ?? problem.reason
      }
      for number in [span.offset, span.length, words] { hash.add(number) }
      entries.append(Entry(offset: UInt64(span.offset), length: UInt32(span.length), words: Int32(clamping: words)))
    }
    if entries.isEmpty { throw DatasetError.noRecords(file: file.path) }
    if !isJSON { throw DatasetError.notRecords(file: file.path, reason: complaint ?? "it is no JSON") }
    self.entries = limit.map { Array(entries.prefix($0)) } ?? entries
    fingerprint = hash.value
  }

  /// A record's length as the sampler takes it: its words, at least 1, negative where it has no image.
  func length(at record: Int) -> Int { Int(entries[record].words) }

  /// Reads a record.
  ///
  /// - Parameters:
  ///   - record: 0..<``count``.
  ///   - index: what its ``SampleFault`` calls it.
  /// - Throws: ``SampleFault``, `DatasetError`.
  func record(at record: Int, index: Int) throws -> InstructionRecord {
    let entry = entries[record]
    let bytes = try file.bytes(at: Int(entry.offset), count: Int(entry.length))
    var id: String?
    do {
      let value = try Self.value(of: bytes)
      id = InstructionRecord.id(value)
      return try InstructionRecord(value)
    } catch let problem as RecordProblem {
      throw problem.fault(index: index, id: id)
    }
  }

  /// Where an image of a record lies; absolute paths stay, as in LLaVA.
  func url(ofImage path: String) -> URL {
    path.hasPrefix("/") ? URL(fileURLWithPath: path) : imageFolder.appendingPathComponent(path)
  }

  private static func value(of bytes: [UInt8]) throws -> JSONValue {
    do {
      let value = try JSONReader.parse(bytes)
      if case .object = value { return value }
      throw RecordProblem(.malformed, "the record is \(value.kind) where an object belongs")
    } catch let failure as JSONReader.Failure {
      throw RecordProblem(.malformed, "the record is not valid JSON (\(failure.problem), \(failure.offset) bytes into it)")
    }
  }

  private static func requireFolder(_ url: URL) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    if !exists { throw DatasetError.unreadable(path: url.relativePath, reason: "no such folder") }
    if !isFolder.boolValue { throw DatasetError.unreadable(path: url.relativePath, reason: "it is not a folder") }
  }
}
