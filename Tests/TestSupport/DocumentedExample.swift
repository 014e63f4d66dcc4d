import Foundation

/// Code in a document that is compiled and run by a test.
public enum DocumentedExample {
  /// Lines of a source file between the comments `<name> begins` and `<name> ends` that a document of the project does not show.
  public static func missingLines(of name: String, in document: String, source: String) throws -> [String] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    let shown = Set(trimmedLines(try String(contentsOf: root.appending(path: document), encoding: .utf8)))
    let lines = trimmedLines(try String(contentsOfFile: source, encoding: .utf8))
    guard let begin = lines.firstIndex(of: "// \(name) begins"), let end = lines.firstIndex(of: "// \(name) ends"), begin < end
    else { return ["// \(name) begins ... ends"] }
    return lines[(begin + 1)..<end].filter { !shown.contains($0) }
  }

  private static func trimmedLines(_ text: String) -> [String] {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
