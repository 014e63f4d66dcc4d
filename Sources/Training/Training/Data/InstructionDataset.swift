import Basics
import Foundation
import Language

/// A file of LLaVA's instruction format and the folder of its pictures.
///
/// The file is a JSON list of records or has one record in each line. Opening reads it once from front to back and keeps 16 bytes
/// for each record: where it lies and how many words it has. Records are read again when they are needed, so the text is never in
/// memory as a whole: 665,000 records take 11 MB, as a list as well as in lines. A list that does not end is refused, because
/// readers of JSON do so; of lines, only the one that is cut short is lost.
///
/// A record that is wrong in itself keeps its place, and reading it throws its ``SampleFault``.
public struct InstructionDataset: Sendable {
  private struct Entry {
    var offset: UInt64
    var length: UInt32
    /// Negative where the record has no image.
    var words: Int32
  }

  /// Path of the file.
  public var path: String { file.path }
  /// The folder that relative image paths begin at.
  public let imageFolder: URL
  /// Differs, as good as certainly, between files whose records differ in place, length or number of words.
  public let fingerprint: UInt64

  private let file: DataFile
  private let entries: [Entry]

  /// Opens a data set.
  ///
  /// - Parameters:
  ///   - url: the JSON or JSON-lines file.
  ///   - images: the folder that relative image paths begin at; the file's own unless given.
  ///   - limit: takes the first so many records alone.
  ///   - progress: is called with the share of the file that has been read, up to 1.
  /// - Throws: `DatasetError` where the file cannot be read, is no JSON, or holds no record.
  public init(contentsOf url: URL, images: URL? = nil, limit: Int? = nil, progress: (Double) -> Void = { _ in }) throws {
    let file = try DataFile(url)
    if let images { try Self.requireFolder(images) }
    self.file = file
    imageFolder = images ?? url.deletingLastPathComponent()

    var entries: [Entry] = []
    var isJSON = false
    var complaint: String?
    var hash = StableHash()
    try RecordScanner.scan(file) {
      progress(Double($0) / Double(file.size))
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

  /// Number of records, the unusable ones included.
  public var count: Int { entries.count }

  /// Each record's length as the sampler takes it: its words, at least 1, negative where it has no image.
  public var lengths: [Int] { entries.map { Int($0.words) } }

  /// Reads a record.
  ///
  /// - Parameter index: 0..<``count``.
  /// - Throws: ``SampleFault`` for a record that is no such record; `DatasetError` where the file has changed or cannot be read.
  public func record(at index: Int) throws -> InstructionRecord {
    let entry = entries[index]
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
  public func url(ofImage path: String) -> URL {
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
