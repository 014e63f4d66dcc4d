import Foundation

/// Names of what is being written or taken away beside its place: `.epic-partial-<UUID>-<name>`.
///
/// Nobody else's names look like this, so what a killed process left can be told from all that others put into a folder.
public enum PartialName {
  private static let prefix = ".epic-partial-"

  /// A new name beside `url`.
  public static func place(beside url: URL) -> URL {
    let name = prefix + UUID().uuidString + "-" + url.lastPathComponent
    return url.standardizedFileURL.deletingLastPathComponent().appending(path: name)
  }

  /// The name that a file or folder was to get; nil for one that is not ours.
  public static func finalName(of name: String) -> String? {
    guard name.hasPrefix(prefix) else { return nil }
    let rest = name.dropFirst(prefix.count)
    guard UUID(uuidString: String(rest.prefix(36))) != nil, rest.dropFirst(36).first == "-", rest.count > 37 else { return nil }
    return String(rest.dropFirst(37))
  }

  /// Removes what killed processes left in a folder; what a living one has in hand, and all other names, are left alone.
  ///
  /// - Parameter wanted: what was to become a file or folder of this name only; nil for all.
  /// - Throws: `FileError.failed`.
  public static func sweep(_ folder: URL, for wanted: String? = nil) throws {
    let manager = FileManager.default
    do {
      for name in try manager.contentsOfDirectory(atPath: folder.path) {
        guard let final = finalName(of: name), wanted == nil || wanted == final else { continue }
        let url = folder.appending(path: name)
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 { continue }
        defer { close(descriptor) }
        if lockFile(descriptor) { try manager.removeItem(at: url) }
      }
    } catch {
      throw FileError.failed(path: folder.relativePath, reason: systemReason(error))
    }
  }
}
