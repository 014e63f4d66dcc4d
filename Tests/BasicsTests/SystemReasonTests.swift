import Basics
import Foundation
import Testing

/// What people read when the system refuses something.
struct SystemReasonTests {
  @Test func namesTheReasonWithoutFoundationsWords() throws {
    #expect(systemReason(ENOENT) == String(cString: strerror(ENOENT)))
    let missing = FileManager.default.temporaryDirectory.appending(path: "epic-missing-\(UUID())")
    let error = #expect(throws: (any Error).self) { try Data(contentsOf: missing) }
    #expect(systemReason(try #require(error)) == "No such file or directory")
  }
}
