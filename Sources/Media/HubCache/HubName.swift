import Foundation

/// A model on the hub: `org/name`, and which branch, tag or commit of it.
public struct HubName: Hashable, Sendable, CustomStringConvertible {
  /// `org/name`.
  public let repository: String
  /// A branch, a tag, a commit, or a name such as `refs/pr/1`.
  public let revision: String

  /// What is meant where no revision is named.
  public static let standardRevision = "main"

  /// Reads `org/name` or `org/name@revision`.
  ///
  /// Names follow the hub's rules, revisions those of git; neither can lead out of a folder.
  /// - Throws: `HubError` with `.notAName`.
  public init(_ text: String) throws(HubError) {
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let revision = parts.count > 1 ? parts[1] : Self.standardRevision
    if let fault = Self.fault(repository: parts[0]) ?? Self.fault(revision: revision) {
      throw HubError(text, .notAName(fault))
    }
    (repository, self.revision) = (parts[0], revision)
  }

  private init(repository: String, revision: String) { (self.repository, self.revision) = (repository, revision) }

  /// The same model at one commit.
  package func pinned(to commit: String) -> HubName { HubName(repository: repository, revision: commit) }

  /// As it is typed, without a revision where it is the usual one.
  public var description: String { revision == Self.standardRevision ? repository : "\(repository)@\(revision)" }

  /// Whether the revision is a whole commit, which never means anything else.
  public var isPinned: Bool { Self.isCommit(revision) }

  /// Whether a text is the whole hash of a commit: 40 hexadecimal digits.
  package static func isCommit(_ text: String) -> Bool { isHash(text, digits: 40) }

  /// Whether a text is so many hexadecimal digits, in lower case.
  package static func isHash(_ text: String, digits: Int) -> Bool {
    text.utf8.count == digits && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  /// Whether a text looks like a path and like no name of the hub.
  public static func isPath(_ text: String) -> Bool {
    let name = text.prefix { $0 != "@" }
    return name.hasPrefix("/") || name.hasPrefix(".") || name.hasPrefix("~") || name.filter { $0 == "/" }.count != 1
  }

  private static func fault(repository: String) -> String? {
    let parts = repository.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count != 2 { return "it has \(parts.count == 1 ? "no" : "more than one") slash" }
    if repository.utf8.count > 96 { return "it is longer than 96 characters" }
    for part in parts {
      if part.isEmpty { return "a part of it is empty" }
      let ends = "-."
      if !part.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f }) {
        return "it has other characters than letters, digits, '-', '_' and '.'"
      }
      if ends.contains(part.prefix(1)) || ends.contains(part.suffix(1)) { return "a part of it begins or ends with '-' or '.'" }
    }
    if repository.contains("--") || repository.contains("..") { return "it has '--' or '..'" }
    return repository.hasSuffix(".git") ? "it ends with .git" : nil
  }

  /// What `git check-ref-format` refuses, and lengths that no file name has.
  private static func fault(revision: String) -> String? {
    if revision.isEmpty { return "the revision behind '@' is empty" }
    if revision.utf8.count > 200 { return "the revision is longer than 200 characters" }
    let forbidden = Set(" ~^:?*[\\".utf8)
    if !revision.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !forbidden.contains($0) }) || revision.contains("@{") {
      return "the revision has a character that git does not allow"
    }
    let parts = revision.split(separator: "/", omittingEmptySubsequences: false)
    if parts.contains(where: { $0.isEmpty || $0.hasPrefix(".") || $0.hasSuffix(".lock") || $0.hasSuffix(".") })
      || revision.contains("..")
    {
      return "the revision is no name that git allows"
    }
    return nil
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }
}
