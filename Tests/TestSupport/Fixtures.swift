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

  /// Cases of the golden data as arguments of a test; where they cannot be read, or there are none, one case that says so.
  public static func cases<Value>(_ load: () throws -> [Value]) -> [GoldenCase<Value>] {
    do {
      return try some(load()).map(GoldenCase.found)
    } catch {
      return [.missing("\(error)")]
    }
  }

  /// The same list; a test over none would be no test.
  ///
  /// - Throws: `NoCases` for an empty one.
  public static func some<List: Collection>(_ list: List, _ what: String = "cases") throws -> List {
    if list.isEmpty { throw NoCases(description: "the golden data in \(root.path) hold no \(what)") }
    return list
  }

  /// The same of the project's own copy, for what was recorded with its models.
  public static func bundled(_ path: String) -> URL { own.appending(path: path) }
}
