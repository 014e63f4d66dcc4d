import Basics
import Foundation
import Language

/// One file of records and the folder of its pictures.
///
/// Opening reads it once from front to back and keeps 16 bytes for each record: where it lies and how many words it has.
struct RecordFile: RecordSource {
  private struct Entry {
    var offset: UInt64
    var length: UInt32
    /// Negative where the record has no image.
    var words: Int32
  }

  /// The folder that relative image paths begin at.
  let imageFolder: URL
  let fingerprint: UInt64
  var path: String { file.path }
  var count: Int { entries.count }

  private let file: DataFile
  private let entries: [Entry]

  /// - Parameters:
  ///   - images: the folder that relative image paths begin at; the file's own unless given.
  ///   - limit: takes the first so many records alone.
  ///   - progress: is called with the share of the file that has been read.
  /// - Throws: `DatasetError` where the file cannot be read, is no JSON, or holds no record.
  init(contentsOf url: URL, images: URL?, limit: Int?, progress: (Double) -> Void) throws {
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

  func length(at record: Int) -> Int { Int(entries[record].words) }

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

  /// Absolute paths stay, as in LLaVA.
  func place(of path: String, at record: Int) throws -> MediumPlace {
    .file(path.hasPrefix("/") ? URL(fileURLWithPath: path) : imageFolder.appendingPathComponent(path))
  }

  /// The object that bytes hold.
  static func value(of bytes: [UInt8]) throws -> JSONValue {
    do {
      let value = try JSONReader.parse(bytes)
      if case .object = value { return value }
      throw RecordProblem(.malformed, "the record is \(value.kind) where an object belongs")
    } catch let failure as JSONReader.Failure {
      throw RecordProblem(.malformed, "the record is not valid JSON (\(failure.problem), \(failure.offset) bytes into it)")
    }
  }

  static func requireFolder(_ url: URL) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    if !exists { throw DatasetError.unreadable(path: url.relativePath, reason: "no such folder") }
    if !isFolder.boolValue { throw DatasetError.unreadable(path: url.relativePath, reason: "it is not a folder") }
  }
}
