import Foundation

/// The file `metrics.jsonl`: one JSON object for each step.
final class MetricsLog {
  private let handle: FileHandle
  private let path: String
  private let encoder = JSONEncoder()

  /// Opens the file; lines of steps after `step`, which a run that goes on makes again, and half a line at the end are removed.
  init(_ url: URL, from step: Int) throws {
    path = url.relativePath
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      let old = (try? Data(contentsOf: url)) ?? Data()
      var kept = 0
      for line in old.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
        guard let record = try? JSONDecoder().decode(StepRecord.self, from: line), record.step <= step else { break }
        kept += line.count + 1
      }
      try old.prefix(kept).write(to: url, options: .atomic)
      handle = try FileHandle(forWritingTo: url)
      try handle.seekToEnd()
    } catch {
      throw RunError.unwritable(path: url.relativePath, reason: systemReason(error))
    }
  }

  func append(_ record: StepRecord) throws {
    do {
      try handle.write(contentsOf: encoder.encode(record) + [UInt8(ascii: "\n")])
    } catch {
      throw RunError.unwritable(path: path, reason: systemReason(error))
    }
  }
}
