import Foundation
import TestSupport
import Testing

/// Types, functions and files that documents name are in the project.
@Suite struct DocumentedNamesTests {
  /// Names of other software, and of readers' own code.
  private static let foreign: Set = ["RssAnon", "fatalError", "YourCurriculum"]

  private static let places = ["Sources", "Tests", "Benchmarks", "Examples", "Lab", "Documentation", "scripts"]

  /// Words of all source code.
  private static let words = Result {
    var found: Set<Substring> = []
    for place in places.prefix(4) {
      let folder = Document.root.appending(path: place)
      for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      where path.hasSuffix(".swift") || path.hasSuffix(".h") {
        // Folders are named too: the parts of a module.
        found.formUnion(path.split(separator: "/").map { $0.prefix { $0 != "." } })
        let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
        found.formUnion(text.utf8.split { !isLetter($0) }.map(Substring.init))
      }
    }
    return found
  }

  /// Whether a character can stand in a name.
  private static func isLetter(_ c: UInt8) -> Bool {
    switch c {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  @Test func namesOfCodeAreInTheCode() throws {
    let words = try Self.words.get()
    var count = 0
    for document in try Document.all() {
      for span in document.codeSpans {
        // `TypeName`, `TypeName.member`, `member(label:)`, `aLongName`.
        let isType = span.text.wholeMatch(of: /[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*(\.[A-Za-z]\w*)*(\(.*\))?/) != nil
        let isMember = span.text.wholeMatch(of: /[a-z]+([A-Z][a-z0-9]+)+(\(.*\))?/) != nil
        guard isType || isMember else { continue }
        count += 1
        let names = span.text.prefix { $0 != "(" }.split(separator: ".")
        for name in names where !Self.foreign.contains(String(name)) && name != "swift" {
          #expect(words.contains(name), "\(document.path):\(span.line): no \(name) in the code")
        }
      }
    }
    #expect(count > 150)
  }

  @Test func filesAreThere() throws {
    var count = 0
    for document in try Document.all() {
      for span in document.codeSpans {
        guard let place = span.text.split(separator: "/").first, span.text.contains("/"), Self.places.contains(String(place)),
          span.text.wholeMatch(of: /[\w.\/+-]+/) != nil
        else { continue }
        count += 1
        #expect(
          FileManager.default.fileExists(atPath: Document.root.appending(path: span.text).path),
          "\(document.path):\(span.line): no \(span.text)")
      }
    }
    #expect(count > 20)
  }
}
