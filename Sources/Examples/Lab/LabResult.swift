import Basics
import Foundation

/// What a run came to on a split: one line of `results.jsonl`.
public struct LabResult: Sendable, Equatable, Codable {
  /// A way of asking, and how good the answers were.
  public struct Row: Sendable, Equatable, Codable {
    /// `full`, or the compressor's name.
    public var compressor: String
    /// Visual tokens that stay.
    public var keep: Int
    /// Percent of each benchmark.
    public var scores: [String: Double]

    /// A row.
    public init(compressor: String, keep: Int, scores: [String: Double]) {
      (self.compressor, self.keep, self.scores) = (compressor, keep, scores)
    }

    private enum CodingKeys: String, CodingKey {
      case compressor, keep, scores
    }

    /// Reads a row; one of an earlier version has its compressor under `strategy`.
    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      compressor = try decoder.value(CodingKeys.compressor, formerly: "strategy")
      keep = try fields.decode(Int.self, forKey: .keep)
      scores = try fields.decode([String: Double].self, forKey: .scores)
    }

    /// The mean over the benchmarks, in percent.
    public var average: Double { scores.values.reduce(0, +) / Double(max(1, scores.count)) }
  }

  /// Names of cell and base.
  public var cell: String, base: String
  /// nil for a base as it is.
  public var seed: Int?
  /// `tune` or `test`.
  public var split: String
  /// Changes with everything that the result follows from.
  public var fingerprint: String
  /// Seconds of training; nil for a base as it is.
  public var trainingSeconds: Double?
  /// Optimizer steps, and floating-point operations of all of them; nil for a base, and in results of versions that did not count.
  public var trainingSteps: Int?, trainingFLOPs: Double?
  /// The full-token row first.
  public var rows: [Row]
  /// When it was done, in ISO 8601.
  public var date: String

  /// A result.
  public init(
    _ run: LabRun, split: String, fingerprint: String, trainingSeconds: Double?, rows: [Row], date: Date = Date()
  ) {
    (cell, base, seed) = (run.cell, run.base, run.seed)
    (self.split, self.fingerprint, self.trainingSeconds, self.rows) = (split, fingerprint, trainingSeconds, rows)
    self.date = date.ISO8601Format()
  }

  /// What it is a result of.
  public var run: LabRun { LabRun(cell: cell, base: base, seed: seed) }
}

/// The file that results are added to as they come.
public struct LabJournal: Sendable {
  /// The file's name inside a folder.
  public static let fileName = "results.jsonl"

  private let url: URL
  /// All results in it, in the order in which they came.
  public private(set) var results: [LabResult] = []

  /// Reads the journal of a folder, which is made where it is not there.
  ///
  /// - Throws: `LabError.unusable`.
  public init(in folder: URL) throws {
    url = folder.appending(path: Self.fileName)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      results = try Journal.records(LabResult.self, in: url)
    } catch {
      throw LabError.unusable(path: url.relativePath, reason: systemReason(error))
    }
  }

  /// Adds a result; what a killed run was in the middle of writing is dropped.
  ///
  /// - Throws: `LabError.unusable`, `FileError.inUse`.
  public mutating func append(_ result: LabResult) throws {
    do {
      try Journal(url, syncs: true).append([result])
    } catch let error as FileError where error == .inUse(path: url.relativePath) {
      throw error
    } catch {
      throw LabError.unusable(path: url.relativePath, reason: systemReason(error))
    }
    results.append(result)
  }

  /// The newest result of a run on a split, of the same configuration, base and data.
  public func result(of run: LabRun, split: String, fingerprint: String) -> LabResult? {
    results.last { $0.run == run && $0.split == split && $0.fingerprint == fingerprint }
  }
}
