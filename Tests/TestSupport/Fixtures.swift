import Foundation

/// The golden data: the folder that `EPIC_FIXTURES` names, or the project's own copy.
public enum Fixtures {
  /// The folder of all sections.
  public static let root: URL = {
    if let path = ProcessInfo.processInfo.environment["EPIC_FIXTURES"], !path.isEmpty { return URL(filePath: path) }
    return own
  }()

  private static let own =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

  /// A file or folder of the golden data by its path inside it.
  public static func url(_ path: String) -> URL { root.appending(path: path) }

  /// The same of the project's own copy, for what was recorded with its models.
  public static func bundled(_ path: String) -> URL { own.appending(path: path) }
}
