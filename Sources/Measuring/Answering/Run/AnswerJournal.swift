import Foundation

/// The file `answers.jsonl` of a benchmark: every answer as it came, one JSON object in a line.
///
/// It only grows. What a killed run was in the middle of writing is dropped when the file is opened again; all lines before it count.
public final class AnswerJournal {
  /// An answer, or why there is none.
  public struct Entry: Sendable, Equatable, Codable {
    /// The plan's id.
    public var plan: String
    /// The question's id.
    public var id: String
    /// What the model said; nil where it could not be asked.
    public var text: String?
    /// Text tokens of the prompt.
    public var textTokens: Int?
    /// Tokens of the answer.
    public var newTokens: Int?
    /// Why there is no answer.
    public var fault: String?
  }

  /// The file's name inside a folder.
  public static let fileName = "answers.jsonl"

  /// By plan and question, what the file holds: the first answer, or else the last fault.
  public private(set) var entries: [String: [String: Entry]] = [:]

  private let path: String
  private let handle: FileHandle
  private let encoder = JSONEncoder()

  /// Opens the journal of a folder, which is made where it is not there.
  ///
  /// - Throws: `AnsweringError.unwritable`; `.inUse` where another process has it open.
  public init(_ folder: URL) throws {
    let url = folder.appending(path: Self.fileName)
    path = url.relativePath
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let descriptor = open(url.path, O_RDWR | O_CREAT, 0o644)
      guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw AnsweringError.inUse(path: path) }
      let old = try handle.readToEnd() ?? Data()
      let whole = old.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      try handle.truncate(atOffset: UInt64(whole))
      try handle.seekToEnd()
      let decoder = JSONDecoder()
      for line in old.prefix(whole).split(separator: UInt8(ascii: "\n")) {
        // A machine that lost its power may leave anything; what cannot be read is asked again.
        if let entry = try? decoder.decode(Entry.self, from: line) { note(entry) }
      }
    } catch let error as AnsweringError {
      throw error
    } catch {
      throw AnsweringError.unwritable(path: path, reason: systemReason(error))
    }
  }

  private func note(_ entry: Entry) {
    if entries[entry.plan]?[entry.id]?.text == nil { entries[entry.plan, default: [:]][entry.id] = entry }
  }

  /// Whether a question has an answer; one that could not be asked is asked again.
  public func isAnswered(_ id: String, under plan: String) -> Bool { entries[plan]?[id]?.text != nil }

  /// Answers of a plan by question.
  public func answers(under plan: String) -> [String: String] { (entries[plan] ?? [:]).compactMapValues(\.text) }

  /// Adds entries at once, without those that the file holds already.
  ///
  /// - Throws: `AnsweringError.unwritable`.
  public func append(_ new: [Entry]) throws {
    var lines = Data()
    for entry in new where !isAnswered(entry.id, under: entry.plan) && entries[entry.plan]?[entry.id] != entry {
      note(entry)
      do {
        lines += try encoder.encode(entry) + [UInt8(ascii: "\n")]
      } catch {
        throw AnsweringError.unwritable(path: path, reason: "\(error)")
      }
    }
    if lines.isEmpty { return }
    do {
      try handle.write(contentsOf: lines)
    } catch {
      throw AnsweringError.unwritable(path: path, reason: systemReason(error))
    }
  }
}

/// Why an evaluation cannot go on.
public enum AnsweringError: Error, Equatable, CustomStringConvertible {
  /// Another process writes into the same journal.
  case inUse(path: String)
  /// A file cannot be written.
  case unwritable(path: String, reason: String)
  /// A file that an earlier run wrote cannot be read.
  case unreadable(path: String, reason: String)
  /// A question that cannot be asked, where that is to be an error.
  case broken(benchmark: String, question: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .inUse(let path): "\(path): another epic eval is writing it; wait for it, or choose another --output"
    case .unwritable(let path, let reason): "\(path): cannot be written (\(reason)); make room or choose another --output"
    case .unreadable(let path, let reason): "\(path): cannot be read (\(reason)); remove it, and it is made anew"
    case .broken(let benchmark, let question, let reason): "\(benchmark), question \(question): \(reason)"
    }
  }
}

/// The system's words for a failed file operation, without Foundation's around them.
func systemReason(_ error: any Error) -> String {
  let underlying = (error as? CocoaError)?.underlying ?? error
  let code = (underlying as? POSIXError)?.code.rawValue
  return code.map { String(cString: strerror($0)) } ?? error.localizedDescription
}
