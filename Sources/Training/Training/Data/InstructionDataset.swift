import Basics
import Foundation

/// Files of LLaVA's instruction format and the folders of their pictures.
///
/// A file is a JSON list of records or has one record in each line. Records are read when they are needed, so the text is never in memory
/// as a whole: 665,000 records take 16 MB, as a list as well as in lines. A list that does not end is refused, because readers of JSON do
/// so; of lines, only the one that is cut short is lost.
///
/// A record that is wrong in itself keeps its place, and reading it throws its ``SampleFault``.
///
/// ```swift
/// let mixture = try InstructionDataset([DataSource(file: "llava.json", images: "coco"), DataSource(file: "own.jsonl", weight: 3)])
/// ```
public struct InstructionDataset: Sendable {
  /// A record of a file.
  private struct Place {
    var file: UInt32
    var record: UInt32
  }

  /// Differs, as good as certainly, between data sets whose records differ in place, length, number of words or weight.
  public let fingerprint: UInt64
  private let files: [RecordFile]
  private let places: [Place]

  /// Opens the data set of one file.
  ///
  /// - Parameters:
  ///   - url: the JSON or JSON-lines file.
  ///   - images: the folder that relative image paths begin at; the file's own unless given.
  ///   - limit: takes the first so many records alone.
  ///   - progress: is called with the share of the file that has been read, up to 1.
  /// - Throws: `DatasetError` where the file cannot be read, is no JSON, or holds no record.
  public init(contentsOf url: URL, images: URL? = nil, limit: Int? = nil, progress: (Double) -> Void = { _ in }) throws {
    try self.init([(url, images, DataSource(file: url.path))], limit: limit, progress: progress)
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
    var files: [RecordFile] = []
    var places: [Place] = []
    var hash = StableHash()
    for (number, (url, images, source)) in sources.enumerated() {
      if let fault = source.fault { throw DatasetError.setting(name: source.file, reason: fault) }
      let file = try RecordFile(contentsOf: url, images: images, limit: limit) { read, size in
        progress((Double(number) + Double(read) / Double(size)) / Double(sources.count))
      }
      let taken = source.records(of: file.count)
      places += taken.map { Place(file: UInt32(clamping: number), record: UInt32(clamping: $0)) }
      for part in [Int(truncatingIfNeeded: file.fingerprint), taken.count] { hash.add(part) }
      files.append(file)
    }
    if places.isEmpty { throw DatasetError.noRecords(file: sources.map(\.url.relativePath).joined(separator: ", ")) }
    (self.files, self.places) = (files, places)
    // A single file that is taken once has the fingerprint that runs before there were several remember.
    fingerprint = sources.count == 1 && sources[0].source.weight == 1 ? files[0].fingerprint : hash.value
  }

  /// Paths of the files.
  public var path: String { files.map(\.path).joined(separator: ", ") }

  /// Number of records of an epoch, the unusable ones included; a record that is taken twice counts twice.
  public var count: Int { places.count }

  /// Each record's length as the sampler takes it: its words, at least 1, negative where it has no image.
  public var lengths: [Int] { places.map { files[Int($0.file)].length(at: Int($0.record)) } }

  /// Reads a record.
  ///
  /// Where there are several files, the paths of its media begin with its file's folder.
  /// - Parameter index: 0..<``count``.
  /// - Throws: ``SampleFault`` for a record that is no such record; `DatasetError` where the file has changed or cannot be read.
  public func record(at index: Int) throws -> InstructionRecord {
    let place = places[index]
    let file = files[Int(place.file)]
    var record = try file.record(at: Int(place.record), index: index)
    if files.count > 1 {
      record.images = record.images.map { ImageReader.isInRecord($0) ? $0 : file.url(ofImage: $0).path }
    }
    return record
  }

  /// Where a medium of a record lies; absolute paths stay, as in LLaVA.
  public func url(ofImage path: String) -> URL { files[0].url(ofImage: path) }
}
