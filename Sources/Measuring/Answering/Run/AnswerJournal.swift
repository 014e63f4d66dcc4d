import Basics
import Foundation

/// The file `answers.jsonl` of a benchmark: every answer as it came, one JSON object in a line.
///
/// It only grows. What a killed run was in the middle of writing is dropped when the file is opened again; all lines before it count. Of several
/// processes that share the questions each but the first writes a file of its own, `answers-1.jsonl` and so on, and all read all.
public final class AnswerJournal {
  /// An answer, or why there is none.
  public struct Entry: Sendable, Equatable, Codable {
    /// The plan, by the name that answers under it are kept by.
    public var plan: String
    /// The question's id.
    public var id: String
    /// What the model said; nil where it could not be asked.
    public var text: String?
    /// Text tokens of the prompt.
    public var textTokens: Int?
    /// Tokens of the answer.
    public var newTokens: Int?
    /// Visual tokens behind the cut, where a rule decides how many these are.
    public var visualTokens: Int?
    /// Why there is no answer.
    public var fault: String?
  }

  /// The file's name inside a folder.
  public static let fileName = "answers.jsonl"

  /// By plan and question, what the file holds: the first answer, or else the last fault.
  public private(set) var entries: [String: [String: Entry]] = [:]

  private let journal: Journal
  private let folder: URL

  /// Opens the journal of a folder, which is made where it is not there.
  ///
  /// - Parameter rank: the process's number among those that share the questions.
  /// - Throws: `FileError.failed`; `AnsweringError.inUse` where another process has it open.
  public init(_ folder: URL, rank: Int = 0) throws {
    let url = folder.appending(path: rank == 0 ? Self.fileName : "answers-\(rank).jsonl")
    self.folder = folder
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      journal = try Journal(url, syncs: true)
      // What cannot be read is asked again.
      for entry in try journal.records(Entry.self) { note(entry) }
      try readOthers()
    } catch FileError.inUse(let path) {
      throw AnsweringError.inUse(path: path)
    } catch {
      throw FileError.failed(path: url.relativePath, reason: systemReason(error))
    }
  }

  /// Reads what other processes have written since.
  ///
  /// - Throws: `FileError.failed`.
  public func readOthers() throws {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    } catch {
      throw FileError.failed(path: folder.relativePath, reason: systemReason(error))
    }
    for name in names.sorted()
    where name.wholeMatch(of: /answers(-[0-9]+)?\.jsonl/) != nil && name != journal.url.lastPathComponent {
      for entry in try Journal.records(Entry.self, in: folder.appending(path: name)) { note(entry) }
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
  /// - Throws: `FileError.failed`.
  public func append(_ new: [Entry]) throws {
    var added: [Entry] = []
    for entry in new where !isAnswered(entry.id, under: entry.plan) && entries[entry.plan]?[entry.id] != entry {
      note(entry)
      added.append(entry)
    }
    try journal.append(added)
  }
}

/// Why an evaluation cannot go on.
public enum AnsweringError: Error, Equatable, CustomStringConvertible {
  /// Another process writes into the same journal.
  case inUse(path: String)
  /// A file that an earlier run wrote cannot be read.
  case unreadable(path: String, reason: String)
  /// A question that cannot be asked, where that is to be an error.
  case broken(benchmark: String, question: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .inUse(let path): "\(path): another epic eval is writing it; wait for it, or choose another --output"
    case .unreadable(let path, let reason): "\(path): cannot be read (\(reason)); remove it, and it is made anew"
    case .broken(let benchmark, let question, let reason): "\(benchmark), question \(question): \(reason)"
    }
  }
}
