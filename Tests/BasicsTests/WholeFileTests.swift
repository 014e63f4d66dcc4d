import Foundation
import TestSupport
import Testing

@testable import Basics

/// Files and folders that appear whole or not at all, and the names that they have meanwhile.
@Suite struct WholeFileTests {
  private struct Stop: Error {}

  private func names(_ folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func aFileIsReplacedWholeOrNotAtAll() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "a.json")
    try WholeFile.write(Data("old".utf8), to: url)
    #expect(throws: Stop.self) {
      try WholeFile.write(to: url) { descriptor in
        _ = "half".withCString { write(descriptor, $0, 4) }
        throw Stop()
      }
    }
    #expect(try names(scratch.url) == ["a.json"] && String(contentsOf: url, encoding: .utf8) == "old")
    try WholeFile.write(json: ["b": 1, "a": 2], to: url)
    #expect(try names(scratch.url) == ["a.json"] && String(contentsOf: url, encoding: .utf8) == #"{"a":2,"b":1}"#)
    let missing = #expect(throws: FileError.self) { try WholeFile.write(Data(), to: scratch.url.appending(path: "no/a")) }
    #expect(missing.map { "\($0)".contains("no/a: No such file or directory") } ?? false)
    #expect(throws: FileError.self) { try WholeFile.write(Data(), to: scratch.url) }
  }

  @Test func aFolderIsThereWholeOrNotAtAll() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "new/way/folder")
    #expect(throws: Stop.self) {
      try WholeFolder.write(to: folder) { partial in
        try Data("x".utf8).write(to: partial.appending(path: "x"))
        throw Stop()
      }
    }
    #expect(try names(scratch.url).isEmpty)
    try WholeFolder.write(to: folder) { partial in
      try FileManager.default.createDirectory(at: partial.appending(path: "in"), withIntermediateDirectories: false)
      try Data("x".utf8).write(to: partial.appending(path: "in/x"))
      try FileManager.default.createSymbolicLink(atPath: partial.appending(path: "link").path, withDestinationPath: "nowhere")
      #expect(!FileManager.default.fileExists(atPath: folder.path))
    }
    #expect(try names(folder) == ["in", "link"] && names(folder.deletingLastPathComponent()) == ["folder"])
    #expect(throws: FileError.self) { try WholeFolder.write(to: folder) { _ in } }
    #expect(try names(folder) == ["in", "link"])
    try WholeFolder.write(to: scratch.url.appending(path: "own"), isMade: false) {
      try FileManager.default.createDirectory(at: $0, withIntermediateDirectories: false)
    }
    try WholeFolder.remove(folder)
    #expect(try names(folder.deletingLastPathComponent()).isEmpty && names(scratch.url) == ["new", "own"])
  }

  @Test func onlyOurNamesAreOurs() {
    let place = PartialName.place(beside: URL(fileURLWithPath: "/some/where/name-1.x"))
    #expect(place.deletingLastPathComponent().path == "/some/where")
    #expect(PartialName.finalName(of: place.lastPathComponent) == "name-1.x")
    #expect(PartialName.place(beside: URL(fileURLWithPath: "/some/where/name-1.x")) != place)
    for name in [
      ".git", ".epic", ".env", "name", ".epic-partial-", ".epic-partial-notes.txt", ".epic-partial-\(UUID())",
      ".epic-partial-\(UUID())-",
      "epic-partial-\(UUID())-x", ".writing-checkpoint-000004", ".lock",
    ] { #expect(PartialName.finalName(of: name) == nil, "\(name)") }
  }

  /// What a killed process left goes; what belongs to others, or to a process that lives, stays.
  @Test func leftoversAreSweptAndNothingElse() throws {
    let scratch = try Scratch()
    func place(_ name: String) -> URL { PartialName.place(beside: scratch.url.appending(path: name)) }
    let foreign = [".git", ".env", ".epic-partial-notes", "a", ".writing-checkpoint-000001"]
    for name in foreign {
      try FileManager.default.createDirectory(at: scratch.url.appending(path: name), withIntermediateDirectories: false)
      try Data("x".utf8).write(to: scratch.url.appending(path: "\(name)/kept"))
    }
    let (left, other) = (place("a"), place("b"))
    try FileManager.default.createDirectory(at: left, withIntermediateDirectories: false)
    try Data("x".utf8).write(to: left.appending(path: "left"))
    try Data("x".utf8).write(to: other)
    try WholeFolder.write(to: scratch.url.appending(path: "c")) { _ in
      let before = try names(scratch.url).count
      try PartialName.sweep(scratch.url, for: "a")
      #expect(try names(scratch.url).count == before - 1)
      try PartialName.sweep(scratch.url)
    }
    #expect(try names(scratch.url) == (foreign + ["c"]).sorted())
    for name in foreign { #expect(try names(scratch.url.appending(path: name)) == ["kept"]) }
    #expect(throws: FileError.self) { try PartialName.sweep(scratch.url.appending(path: "none")) }
  }

  /// Where /proc cannot be brought to a disk, what was opened for it is closed all the same.
  @Test func aFailureToReachTheDiskLeavesNothingOpen() throws {
    func open() throws -> Int {
      let descriptors = URL(filePath: "/proc/self/fd")
      return try FileManager.default.contentsOfDirectory(atPath: descriptors.path).count { name in
        // Others open and close files meanwhile.
        (try? FileManager.default.destinationOfSymbolicLink(atPath: descriptors.path + "/" + name))?.hasSuffix("/limits") == true
      }
    }
    for _ in 0..<8 {
      let error = #expect(throws: FileError.self) { try bringToDisk(URL(filePath: "/proc/self/limits")) }
      #expect(error?.description.contains("Invalid argument") == true)
    }
    #expect(try open() == 0)
    try bringToDisk(FileManager.default.temporaryDirectory)
  }
}
