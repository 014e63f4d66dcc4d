import Basics
import Foundation

/// Files of LLaVA's instruction format and the folders of their pictures, or tar shards of both.
///
/// A file is a JSON list of records or has one record in each line; shards have WebDataset's layout. Records are read when they are needed, so the text is never in memory
/// as a whole: 665,000 records take 16 MB, as a list as well as in lines. A list that does not end is refused, because readers of JSON do
/// so; of lines, only the one that is cut short is lost.
///
/// A record that is wrong in itself keeps its place, and reading it throws its ``SampleFault``.
///
/// ```swift
/// let mixture = try InstructionDataset([DataSource(file: "llava.json", images: "coco"), DataSource(file: "own.jsonl", weight: 3)])
/// ```
public struct InstructionDataset: Sendable {
  /// A record of a source.
  private struct Place {
    var source: UInt32
    var record: UInt32
  }

  /// Differs, as good as certainly, between data sets whose records differ in place, length, number of words or weight.
  public let fingerprint: UInt64
  private let sources: [any RecordSource]
  private let places: [Place]

  /// Opens the data set of one file.
  ///
  /// - Parameters:
  ///   - url: the JSON or JSON-lines file, or tar shards: one, a folder of them, or a pattern such as `shard-{0000..0009}.tar`.
  ///   - images: the folder that relative image paths begin at; the file's own unless given, and none for shards.
  ///   - limit: takes the first so many records alone.
  ///   - progress: is called with the share of the file that has been read, up to 1.
  /// - Throws: `DatasetError` where the file cannot be read, is no JSON, or holds no record.
  public init(contentsOf url: URL, images: URL? = nil, limit: Int? = nil, progress: (Double) -> Void = { _ in }) throws {
    try self.init([(url, images, DataSource(file: url.relativePath))], limit: limit, progress: progress)
  }

  /// Opens the data set of several files, one after the other.
  ///
  /// - Parameters:
  ///   - sources: the files, and how often each is taken.
  ///   - limit: takes the first so many records of each file alone.
  ///   - progress: is called with the share of the files that has been read, up to 1.
  /// - Throws: `DatasetError` where a file cannot be read, is no JSON, holds no record, or has a weight that takes none.
  public init(_ sources: [DataSource], limit: Int? = nil, progress: (Double) -> Void = { _ in }) throws {
    let places = sources.map {
      (URL(fileURLWithPath: $0.file), $0.images.map { URL(fileURLWithPath: $0, isDirectory: true) }, $0)
    }
    try self.init(places, limit: limit, progress: progress)
  }

  private init(_ sources: [(url: URL, images: URL?, source: DataSource)], limit: Int?, progress: (Double) -> Void) throws {
    var opened: [any RecordSource] = []
    var places: [Place] = []
    var hash = StableHash()
    for (number, (url, images, source)) in sources.enumerated() {
      if let fault = source.fault { throw DatasetError.setting(name: source.file, reason: fault) }
      func show(_ share: Double) { progress((Double(number) + share) / Double(sources.count)) }
      let records: any RecordSource =
        if let shards = try ShardNames.shards(of: url.relativePath) {
          try TarShards(shards, path: url.relativePath, images: images, limit: limit, progress: show)
        } else {
          try RecordFile(contentsOf: url, images: images, limit: limit, progress: show)
        }
      let taken = source.records(of: records.count)
      places += taken.map { Place(source: UInt32(clamping: number), record: UInt32(clamping: $0)) }
      for part in [Int(truncatingIfNeeded: records.fingerprint), taken.count] { hash.add(part) }
      opened.append(records)
    }
    if places.isEmpty { throw DatasetError.noRecords(file: sources.map(\.url.relativePath).joined(separator: ", ")) }
    (self.sources, self.places) = (opened, places)
    // A single file that is taken once has the fingerprint that runs before there were several remember.
    fingerprint = sources.count == 1 && sources[0].source.weight == 1 ? opened[0].fingerprint : hash.value
  }

  /// Paths of the files.
  public var path: String { sources.map(\.path).joined(separator: ", ") }

  /// Number of records of an epoch, the unusable ones included; a record that is taken twice counts twice.
  public var count: Int { places.count }

  /// Each record's length as the sampler takes it: its words, at least 1, negative where it has no image.
  public var lengths: [Int] { places.map { sources[Int($0.source)].length(at: Int($0.record)) } }

  /// Reads a record.
  ///
  /// - Parameter index: 0..<``count``.
  /// - Throws: ``SampleFault`` for a record that is no such record; `DatasetError` where the file has changed or cannot be read.
  public func record(at index: Int) throws -> InstructionRecord {
    let place = places[index]
    return try sources[Int(place.source)].record(at: Int(place.record), index: index)
  }

  /// Where a medium of a record lies.
  ///
  /// - Parameter path: one of the record's.
  /// - Throws: `DatasetError`.
  func place(of path: String, at index: Int) throws -> MediumPlace {
    if InlineMedium.isInline(path) { return .inside(InlineMedium.medium(path)) }
    let place = places[index]
    return try sources[Int(place.source)].place(of: path, at: Int(place.record))
  }
}
