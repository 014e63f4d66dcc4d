import Foundation

/// Where the program keeps things for a user, as the system says.
enum UserFolders {
  /// What can be made again: `$EPIC_CACHE`, `$XDG_CACHE_HOME/epic`, else `~/.cache/epic`; nil where there is no home.
  static func cache(_ variables: [String: String] = ProcessInfo.processInfo.environment) -> URL? {
    folder("EPIC_CACHE", variables) ?? own("XDG_CACHE_HOME", ".cache", variables)
  }

  /// What is remembered from one time to the next: `$XDG_STATE_HOME/epic`, else `~/.local/state/epic`; nil where there is no home.
  static func state(_ variables: [String: String] = ProcessInfo.processInfo.environment) -> URL? {
    own("XDG_STATE_HOME", ".local/state", variables)
  }

  private static func own(_ name: String, _ place: String, _ variables: [String: String]) -> URL? {
    (folder(name, variables) ?? folder("HOME", variables)?.appending(path: place))?.appending(path: "epic")
  }

  /// Relative paths are not followed, as the specification of these variables asks.
  private static func folder(_ name: String, _ variables: [String: String]) -> URL? {
    variables[name].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0, isDirectory: true) : nil }
  }
}
