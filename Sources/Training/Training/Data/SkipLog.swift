import Basics
import Foundation
import Synchronization

/// The file `skipped.jsonl`: every sample that was skipped, once, one JSON object in a line.
///
/// One run writes it at a time. A line has `index`, `id`, `path`, `code` and `reason` (``SampleFault``); what a record does not have is left out.
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

  /// Any line of JSON.
  private struct Anything: Decodable { init(from decoder: any Decoder) {} }

  /// Samples listed so far, by code.
  public var counts: [SampleFault.Code: Int] { state.withLock { $0.counts } }

  /// Nil where another process writes the file.
  private let journal: Journal?
  private let state: Mutex<State>

  /// A list without a file, of a process whose faults another one writes down.
  public init() {
    journal = nil
    state = Mutex(State())
  }

  /// Opens the file.
  ///
  /// - Parameter continuing: keep what the file lists, for a run that goes on, so that no sample is listed twice however often it
  ///   comes; else the file begins empty, and what it lists moves to `skipped.superseded.jsonl`. A last line without an end, which a run
  ///   that was killed leaves behind, is dropped.
  /// - Throws: `DatasetError.unwritable`.
  public init(_ url: URL, continuing: Bool = false) throws {
    var state = State()
    do {
      let journal = try Journal(url, locks: false)
      if !continuing { try journal.supersede(Anything.self) { _ in true } }
      for fault in try journal.records(SampleFault.self) { _ = state.note(fault) }
      self.journal = journal
    } catch {
      throw Self.unwritable(url, error)
    }
    self.state = Mutex(state)
  }

  /// Lists a sample unless it is listed.
  ///
  /// - Throws: `DatasetError.unwritable`.
  public func append(_ fault: SampleFault) throws {
    try state.withLock { state in
      guard state.note(fault) else { return }
      if let journal {
        do { try journal.append([fault]) } catch { throw Self.unwritable(journal.url, error) }
      }
      state.new.append(fault)
    }
  }

  /// Samples that were listed since the last call.
  func takeNew() -> [SampleFault] {
    state.withLock { state in
      defer { state.new = [] }
      return state.new
    }
  }

  /// Brings the list to the disk.
  ///
  /// - Throws: `DatasetError.unwritable`.
  func sync() throws {
    guard let journal else { return }
    do { try journal.sync() } catch { throw Self.unwritable(journal.url, error) }
  }

  private static func unwritable(_ url: URL, _ error: any Error) -> DatasetError {
    .unwritable(path: url.relativePath, reason: systemReason(error))
  }
}
