import Basics
import Foundation
import HubCache
import Testing

@Suite struct HubNameTests {
  @Test(arguments: [
    ("org/name", "org/name", "main"), ("org/name@v1.0", "org/name", "v1.0"), ("o/n@refs/pr/1", "o/n", "refs/pr/1"),
    ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf", "main"), ("a_b/c.d-e@main", "a_b/c.d-e", "main"),
    ("o/n@feature/x@y", "o/n", "feature/x@y"),
  ])
  func namesAreRead(_ text: String, _ repository: String, _ revision: String) throws {
    let name = try HubName(text)
    #expect(name.repository == repository && name.revision == revision)
    #expect(try HubName(name.description) == name)
  }

  @Test(arguments: [
    "", "org", "org/", "/name", "a/b/c", "org/na me", "org/..", "../x", "org/a..b", "org/a--b", "org/.hidden", "org/name.",
    "-o/n", "o/n.git",
    "org/näme", "org/name@", "org/name@../../x", "org/name@a b", "org/name@/x", "org/name@x/", "org/name@a//b", "org/name@.x",
    "org/name@x.lock", "org/name@a\nb", "org/name@a^b", "org/name@a@{b", "org/name\0", "org/name@\u{202e}x",
    "o/" + String(repeating: "n", count: 96), "o/n@" + String(repeating: "r", count: 201),
  ])
  func otherTextsAreRefused(_ text: String) {
    let error = #expect(throws: HubError.self) { try HubName(text) }
    guard case .notAName? = error?.kind else { return #expect(Bool(false), "\(text)") }
  }

  /// Whatever is accepted can be put into a path below a folder without leaving it.
  @Test func noNameLeadsOutOfAFolder() {
    var generator = SplitMix64(seed: 19)
    let pieces = ["a", "B", "0", "-", "_", ".", "..", "/", "@", "~", "\\", "\0", " ", "main", "%2e", ":", "{"]
    func text(_ count: Int) -> String { (0..<count).map { _ in pieces[generator.next(below: pieces.count)] }.joined() }
    var accepted = 0
    for _ in 0..<4000 {
      guard let name = try? HubName("\(text(1))/\(text(2))@\(text(generator.next(below: 3) + 1))") else { continue }
      accepted += 1
      for path in [name.repository, name.revision] {
        let inside = URL(fileURLWithPath: "/cache/" + path).standardizedFileURL.path
        #expect(inside == "/cache/" + path)
      }
    }
    #expect(accepted > 20)
  }

  @Test func pathsAreToldFromNames() {
    for text in ["/a/b", "./a/b", "../a", "~/a", "a", "a/b/c", "a/b/", ".", ""] { #expect(HubName.isPath(text), "\(text)") }
    for text in ["a/b", "a/b@c/d/e", "org/name@/x"] { #expect(!HubName.isPath(text), "\(text)") }
  }
}
