import Basics
import Foundation

/// The file `metrics.jsonl`: one JSON object for each step.
struct MetricsLog {
  private let journal: Journal

  /// All that a line must say to have its place.
  private struct Place: Decodable { let step: Int }

  /// Opens the file; lines of steps after `step`, which a run that goes on makes again, move to `metrics.superseded.jsonl`.
  ///
  /// - Throws: `FileError`; the file is as it was then.
  init(_ url: URL, from step: Int) throws {
    journal = try Journal(url)
    try journal.supersede(Place.self) { $0.step > step }
  }

  func append(_ record: StepRecord) throws { try journal.append([record]) }

  /// Brings all lines to the disk.
  func sync() throws { try journal.sync() }
}
