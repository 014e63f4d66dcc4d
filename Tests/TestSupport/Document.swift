import Foundation

/// A Markdown file of the project, as far as tests look at it.
public struct Document: Sendable {
  /// A block between fences.
  public struct Block: Sendable {
    /// The word behind the opening fence.
    public let language: String
    /// Lines between the fences.
    public let lines: [String]
    /// Line of the opening fence, counted from 1.
    public let line: Int
  }

  /// A link, or a picture.
  public struct Link: Sendable {
    /// Where it leads, as it is written.
    public let target: String
    /// Its line, counted from 1.
    public let line: Int
  }

  /// The project's folder.
  public static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL

  /// Its path below the project's folder.
  public let path: String
  /// All lines.
  public let lines: [String]
  /// Blocks between fences.
  public private(set) var blocks: [Block] = []
  /// Lines outside of fences with their numbers.
  public private(set) var prose: [(line: Int, text: String)] = []

  /// Reads a file of the project.
  public init(_ path: String) throws {
    self.path = path
    lines = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8).components(separatedBy: "\n")
    var open: (fence: String, language: String, line: Int)?
    for (index, line) in lines.enumerated() {
      let text = line.trimmingCharacters(in: .whitespaces)
      if let begun = open {
        if text.hasPrefix(begun.fence) {
          blocks.append(Block(language: begun.language, lines: Array(lines[begun.line..<index]), line: begun.line))
          open = nil
        }
      } else if text.hasPrefix("```") {
        let fence = String(text.prefix { $0 == "`" })
        open = (fence, text.dropFirst(fence.count).trimmingCharacters(in: .whitespaces), index + 1)
      } else {
        prose.append((index + 1, line))
      }
    }
  }

  /// All Markdown files that people read: those in the project's folder, and the pages of the documentation.
  public static func all() throws -> [Document] {
    let pages = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: "Documentation").path).map {
      "Documentation/\($0)"
    }
    let top = try FileManager.default.contentsOfDirectory(atPath: root.path)
    return try (top + pages).filter { $0.hasSuffix(".md") }.sorted().map(Document.init)
  }

  /// Links and pictures outside of code.
  public var links: [Link] {
    prose.flatMap { number, text in
      text.replacing(/`[^`]*`/, with: "").matches(of: /\]\(([^)\s]+)\)/).map { Link(target: String($0.1), line: number) }
    }
  }

  /// Code between backticks.
  public var codeSpans: [(line: Int, text: String)] {
    prose.flatMap { number, text in text.matches(of: /`([^`]+)`/).map { (number, String($0.1)) } }
  }

  /// The anchors of its headings, as code hosts make them.
  public var anchors: Set<String> {
    var seen: [String: Int] = [:]
    var found: Set<String> = []
    for (_, text) in prose {
      guard let match = text.wholeMatch(of: /#{1,6} +(.*)/) else { continue }
      let words = match.1.replacing(/\[([^\]]*)\]\([^)]*\)/) { $0.1 }.lowercased()
      let slug = String(
        words.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" ? $0 : nil })
      let count = seen[slug, default: 0]
      seen[slug] = count + 1
      found.insert(count == 0 ? slug : "\(slug)-\(count)")
    }
    return found
  }
}
