import Foundation
import Synchronization

/// The file `skipped.jsonl`: every sample that was skipped, once, one JSON object in a line.
///
/// A line has `index`, `id`, `path`, `code` and `reason` (``SampleFault``); what a record does not have is left out.
public final class SkipLog: Sendable {
  private struct State {
    var counts: [SampleFault.Code: Int] = [:]
    var listed: Set<Int> = []
    /// Listed since somebody asked.
    var new: [SampleFault] = []

    /// Counts a sample; false where it is counted already.
    mutating func note(_ fault: SampleFault) -> Bool {
      guard listed.insert(fault.index).inserted else { return false }
      counts[fault.code, default: 0] += 1
      return true
    }
  }

  /// Samples listed so far, by code.
  public var counts: [SampleFault.Code: Int] { state.withLock { $0.counts } }

  private let path: String
  private let handle: FileHandle
  private let state: Mutex<State>

  /// Opens the file.
  ///
  /// - Parameter continuing: keep what the file lists, for a run that goes on, so that no sample is listed twice however often it
  ///   comes; else the file begins empty. A last line without an end, which a run that was killed leaves behind, is dropped.
  /// - Throws: `DatasetError.unwritable`.
  public init(_ url: URL, continuing: Bool = false) throws {
    path = url.relativePath
    var state = State()
    do {
      let exists = FileManager.default.fileExists(atPath: url.path)
      let old = continuing && exists ? try Data(contentsOf: url) : Data()
      if !exists { try Data().write(to: url) }
      handle = try FileHandle(forUpdating: url)
      let whole = old.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      try handle.truncate(atOffset: UInt64(whole))
      try handle.seekToEnd()
      for line in old.prefix(whole).split(separator: UInt8(ascii: "\n")) {
        if let fault = try? JSONDecoder().decode(SampleFault.self, from: line) { _ = state.note(fault) }
      }
    } catch {
      throw DatasetError.unwritable(path: url.relativePath, reason: Self.reason(error))
    }
    self.state = Mutex(state)
  }

  /// Lists a sample unless it is listed.
  ///
  /// - Throws: `DatasetError.unwritable`.
  public func append(_ fault: SampleFault) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try state.withLock { state in
      guard state.note(fault) else { return }
      do {
        try handle.write(contentsOf: encoder.encode(fault) + [UInt8(ascii: "\n")])
        state.new.append(fault)
      } catch {
        throw DatasetError.unwritable(path: path, reason: Self.reason(error))
      }
    }
  }

  /// Samples that were listed since the last call.
  func takeNew() -> [SampleFault] {
    state.withLock { state in
      defer { state.new = [] }
      return state.new
    }
  }

  /// The system's words without Foundation's around them.
  private static func reason(_ error: any Error) -> String {
    let underlying = (error as? CocoaError)?.underlying ?? error
    let code = (underlying as? POSIXError)?.code.rawValue
    return code.map { String(cString: strerror($0)) } ?? error.localizedDescription
  }
}
