import Foundation
import Yams

/// Why a configuration cannot be used.
public enum ConfigurationProblem: Error, Equatable, CustomStringConvertible {
  /// The file is no YAML, or cannot be read.
  case file(String, reason: String)
  /// Keys that do not exist or have no usable value, all of them.
  case keys([String])

  /// One sentence for people.
  public var description: String {
    switch self {
    case .file(let path, let reason): "\(path): \(reason)"
    case .keys(let problems): problems.joined(separator: "; ")
    }
  }
}

extension TrainingConfiguration {
  /// Reads a YAML file, then changes single keys.
  ///
  /// - Parameters:
  ///   - url: the file; nil begins with the defaults.
  ///   - changes: `key=value` each, the value in YAML.
  /// - Throws: `ConfigurationProblem`, which names every unknown key and bad value with its path and line.
  public init(contentsOf url: URL?, changes: [String] = []) throws {
    self.init()
    var problems: [String] = []
    if let url {
      let text: String
      do {
        text = try String(contentsOf: url, encoding: .utf8)
      } catch {
        throw ConfigurationProblem.file(url.relativePath, reason: "cannot be read as UTF-8 text; name the YAML file of the run")
      }
      guard let root = try Self.compose(text, url.relativePath) else {
        throw ConfigurationProblem.file(url.relativePath, reason: "is empty; see epic train --keys for what can stand there")
      }
      guard root.mapping != nil else {
        throw ConfigurationProblem.file(url.relativePath, reason: "is no list of keys with values; see epic train --keys")
      }
      read(root, "", &problems)
    }
    if !problems.isEmpty { problems = [(url.map { $0.relativePath + ": " } ?? "") + problems.joined(separator: "; ")] }
    // What a change gets wrong is none of the file's business.
    for change in changes {
      var wrong: [String] = []
      try read(change, &wrong)
      if !wrong.isEmpty { problems.append("--set: " + wrong.joined(separator: "; ")) }
    }
    if !problems.isEmpty { throw ConfigurationProblem.keys(problems) }
  }

  /// Changes one key: `key=value`, the value in YAML.
  ///
  /// - Throws: `ConfigurationProblem`.
  public mutating func set(_ change: String) throws {
    var problems: [String] = []
    try read(change, &problems)
    if !problems.isEmpty { throw ConfigurationProblem.keys(problems) }
  }

  /// The whole configuration as YAML.
  public func yaml() throws -> String {
    var sections: [(String, [(Node, Node)])] = [("", [])]
    for key in ConfigurationKey.all {
      let parts = key.path.split(separator: ".", maxSplits: 1).map(String.init)
      let section = parts.count == 2 ? parts[0] : ""
      if sections.last?.0 != section, !sections.contains(where: { $0.0 == section }) { sections.append((section, [])) }
      guard let index = sections.firstIndex(where: { $0.0 == section }) else { continue }
      sections[index].1.append((Node(parts[parts.count - 1]), key.write(self)))
    }
    let pairs = sections[0].1 + sections.dropFirst().map { (Node($0.0), Node($0.1)) }
    return try Yams.serialize(node: Node(pairs), allowUnicode: true)
  }

  private static func compose(_ text: String, _ name: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text)
    } catch let error as YamlError {
      throw ConfigurationProblem.file(name, reason: "is no YAML: " + "\(error)".split(separator: "\n").joined(separator: " "))
    }
  }

  private mutating func read(_ change: String, _ problems: inout [String]) throws {
    guard let sign = change.firstIndex(of: "=") else { return problems.append("\(change): expected key=value") }
    let value = try Self.compose(String(change[change.index(after: sign)...]), change) ?? Node("")
    read(value, String(change[..<sign]), &problems, isExact: true)
  }

  /// Reads a node at a path; sections recursively.
  private mutating func read(_ node: Node, _ path: String, _ problems: inout [String], isExact: Bool = false) {
    let line = isExact ? "" : node.mark.map { " (line \($0.line))" } ?? ""
    if let key = ConfigurationKey.all.first(where: { $0.path == path }) {
      if let problem = key.read(node, &self) { problems.append("\(path) \(problem)\(line)") }
    } else if let section = node.mapping, path.isEmpty || ConfigurationKey.all.contains(where: { $0.path.hasPrefix(path + ".") })
    {
      for (name, value) in section {
        let name = name.scalar?.string ?? "?"
        read(value, path.isEmpty ? name : "\(path).\(name)", &problems, isExact: isExact)
      }
    } else {
      problems.append("\(path) is no key\(line)\(Self.suggestion(for: path))")
    }
  }

  /// The key that was probably meant.
  private static func suggestion(for path: String) -> String {
    let name = path.split(separator: ".").last.map(String.init) ?? path
    let near = ConfigurationKey.all.map(\.path).min { distance(path, $0) < distance(path, $1) }
    let same = ConfigurationKey.all.first { $0.path.hasSuffix("." + name) }?.path
    guard let found = same ?? near, same != nil || distance(path, found) <= 1 + path.count / 4 else {
      return "; epic train --keys lists them"
    }
    return "; did you mean \(found)?"
  }

  /// Edits between two words (Levenshtein).
  private static func distance(_ a: String, _ b: String) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let cost = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(cost, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
