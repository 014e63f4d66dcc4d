import Basics
import Foundation
import TestSupport
import Testing

/// Files that only grow.
@Suite struct JournalTests {
  private struct Entry: Codable, Equatable {
    var step: Int
    var text = "ü\n\"/"
  }

  private struct Later: Codable, Equatable {
    var step: Int
    var text: String
    var more: Double
  }

  private static let entries = (1...6).map { Entry(step: $0, text: String(repeating: "答\n", count: $0)) }

  private func file(_ scratch: Scratch) -> URL { scratch.url.appending(path: "log.jsonl") }

  @Test func whatIsAddedIsReadInOrder() throws {
    let scratch = try Scratch()
    let url = file(scratch)
    do {
      let journal = try Journal(url, syncs: true)
      try journal.append(Array(Self.entries.prefix(2)))
      try journal.append(Array(Self.entries.dropFirst(2)))
      try journal.append([Entry]())
      #expect(try journal.records(Entry.self) == Self.entries)
      #expect(try Journal.records(Entry.self, in: url) == Self.entries)
    }
    #expect(try Journal(url).records(Entry.self) == Self.entries)
    #expect(try String(contentsOf: url, encoding: .utf8).split(separator: "\n").first == #"{"step":1,"text":"答\n"}"#)
    #expect(try Journal.records(Entry.self, in: scratch.url.appending(path: "none.jsonl")).isEmpty)
  }

  /// Cut at any byte, as a kill may leave it, the file holds its whole lines, and goes on from there.
  @Test func halfALineIsDroppedAndNothingElse() throws {
    let scratch = try Scratch()
    let url = file(scratch)
    try Journal(url).append(Self.entries)
    let whole = try Data(contentsOf: url)
    for cut in 0...whole.count {
      try whole.prefix(cut).write(to: url)
      let kept = whole.prefix(cut).count { $0 == UInt8(ascii: "\n") }
      #expect(try Journal.records(Entry.self, in: url) == Array(Self.entries.prefix(kept)))
      let journal = try Journal(url)
      #expect(try journal.records(Entry.self) == Array(Self.entries.prefix(kept)))
      try journal.append(Array(Self.entries.dropFirst(kept)))
      #expect(try Data(contentsOf: url) == whole, "cut at \(cut)")
    }
  }

  /// Lines of another version, or of no version at all, stay where they are.
  @Test func linesThatCannotBeReadStay() throws {
    let scratch = try Scratch()
    let url = file(scratch)
    let old = "{\"step\":1,\"text\":\"a\"}\nno JSON\n\n\u{0}\u{0}\n{\"step\":2}\n{\"step\":3,\"text\":\"b\",\"other\":[]}\n"
    try Data(old.utf8).write(to: url)
    do {
      let journal = try Journal(url)
      #expect(try journal.records(Entry.self).map(\.step) == [1, 3])
      #expect(try journal.records(Later.self).isEmpty)
      try journal.append([Later(step: 4, text: "c", more: 1)])
    }
    #expect(try String(contentsOf: url, encoding: .utf8) == old + "{\"more\":1,\"step\":4,\"text\":\"c\"}\n")
    #expect(try Journal(url).records(Entry.self).map(\.step) == [1, 3, 4])
  }

  @Test func outdatedLinesLieInAFileBesideIt() throws {
    let scratch = try Scratch()
    let url = file(scratch)
    let lines = try Self.entries.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }
    try Data((lines[0] + "broken\n" + lines[1...3].joined() + "broken too\n" + lines[4]).utf8).write(to: url)
    let other = scratch.url.appending(path: "log.superseded.jsonl")
    let journal = try Journal(url)
    try journal.supersede(Entry.self) { $0.step > 9 }
    #expect(!FileManager.default.fileExists(atPath: other.path))
    try journal.supersede(Entry.self) { $0.step > 3 }
    #expect(try String(contentsOf: url, encoding: .utf8) == lines[0] + "broken\n" + lines[1...2].joined())
    #expect(try String(contentsOf: other, encoding: .utf8) == lines[3] + "broken too\n" + lines[4])
    try journal.append([Entry(step: 4)])
    try journal.supersede(Entry.self) { $0.step > 3 }
    #expect(try journal.records(Entry.self).map(\.step) == [1, 2, 3])
    #expect(try Journal.records(Entry.self, in: other).map(\.step) == [4, 5, 4])
  }

  @Test func oneProcessHasItAtATime() throws {
    let scratch = try Scratch()
    let url = file(scratch)
    let journal = try Journal(url)
    #expect(throws: FileError.inUse(path: url.relativePath)) { try Journal(url) }
    try journal.append(Self.entries)
    #expect(try Journal.records(Entry.self, in: url) == Self.entries)
    withExtendedLifetime(journal) {}
  }

  @Test func whatCannotBeReadOrOpenedIsAnError() throws {
    let scratch = try Scratch()
    #expect(throws: FileError.self) { try Journal(scratch.url.appending(path: "no/such/folder.jsonl")) }
    #expect(throws: FileError.self) { try Journal(scratch.url) }
    #expect(throws: FileError.self) { try Journal.records(Entry.self, in: scratch.url) }
    let journal = try Journal(file(scratch))
    #expect(throws: EncodingError.self) { try journal.append([["x": 1], ["x": Double.nan]]) }
    #expect(try Data(contentsOf: file(scratch)).isEmpty)
  }
}
