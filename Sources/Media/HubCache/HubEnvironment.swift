import Basics
import Foundation

/// Where the hub and its cache are, and who asks: the variables that Python's `huggingface_hub` reads, by its rules.
///
/// A variable that is set to nothing counts as not set.
public struct HubEnvironment: Sendable {
  /// The cache that all programs share: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`, else
  /// `~/.cache/huggingface/hub`.
  public let cache: URL
  /// The hub's address without a slash at its end: `HF_ENDPOINT`.
  public let endpoint: String
  /// What is sent to the hub, and to nobody else; nil where there is none, or `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set.
  public let token: String?
  /// Whether the network must not be used: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`.
  public let isOffline: Bool
  /// Seconds without a byte after which a transfer counts as cut: `HF_HUB_DOWNLOAD_TIMEOUT`.
  public let timeout: Int
  /// Who requests go through.
  public let proxies: ProxySettings
  /// Whether progress is shown: not where `HF_HUB_DISABLE_PROGRESS_BARS` is set.
  public let showsProgress: Bool

  /// The public hub.
  public static let publicEndpoint = "https://huggingface.co"

  /// Reads the variables.
  ///
  /// - Throws: `HubError` with `.setting` for an address or token that cannot be used.
  public init(_ variables: [String: String] = ProcessInfo.processInfo.environment) throws(HubError) {
    func value(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
    func isTrue(_ text: String?) -> Bool { ["1", "ON", "YES", "TRUE"].contains(text?.uppercased()) }
    cache = Self.cache(variables)
    endpoint = try Self.endpoint(value("HF_ENDPOINT") ?? Self.publicEndpoint)
    proxies = try ProxySettings(variables)
    isOffline = isTrue(value("HF_HUB_OFFLINE") ?? value("TRANSFORMERS_OFFLINE"))
    showsProgress = !isTrue(value("HF_HUB_DISABLE_PROGRESS_BARS"))
    timeout = value("HF_HUB_DOWNLOAD_TIMEOUT").flatMap { Int($0) }.flatMap { (1...86_400).contains($0) ? $0 : nil } ?? 10
    if isTrue(value("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
      token = nil
    } else if let name = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].first(where: { value($0) != nil }) {
      token = try Self.token(value(name) ?? "", from: name)
    } else {
      token = try Self.token(in: Self.path("HF_TOKEN_PATH", variables) ?? Self.home(variables).appending(path: "token"))
    }
  }

  /// The cache that all programs share.
  static func cache(_ variables: [String: String]) -> URL {
    path("HF_HUB_CACHE", variables) ?? path("HUGGINGFACE_HUB_CACHE", variables) ?? home(variables).appending(path: "hub")
  }

  private static func home(_ variables: [String: String]) -> URL {
    if let home = path("HF_HOME", variables) { return home }
    let caches = path("XDG_CACHE_HOME", variables) ?? URL(fileURLWithPath: expanded("~/.cache", variables))
    return caches.appending(path: "huggingface")
  }

  private static func path(_ name: String, _ variables: [String: String]) -> URL? {
    guard let text = variables[name], !text.isEmpty else { return nil }
    return URL(fileURLWithPath: expanded(text, variables)).standardizedFileURL
  }

  /// The hub's address as people read it: without `https://`.
  public var host: String { endpoint.hasPrefix("https://") ? String(endpoint.dropFirst(8)) : endpoint }

  private static func endpoint(_ text: String) throws(HubError) -> String {
    var plain = text
    while plain.hasSuffix("/") { plain.removeLast() }
    let parts = URLComponents(string: plain, encodingInvalidCharacters: false)
    guard let parts, ["http", "https"].contains(parts.scheme?.lowercased()), parts.host?.isEmpty == false, parts.query == nil,
      parts.fragment == nil, parts.user == nil
    else {
      throw HubError(
        "HF_ENDPOINT", .setting("\(text.debugDescription) is no http or https address of a hub; correct or unset it"))
    }
    return plain
  }

  private static func token(in file: URL) throws(HubError) -> String? {
    guard let handle = FileHandle(forReadingAtPath: file.path) else {
      // No file is no token; one that cannot be opened is a mistake that would show as a model that is not found.
      if access(file.path, F_OK) != 0 { return nil }
      throw HubError(file.path, .setting("the token in it cannot be read; check its permissions, or set HF_TOKEN"))
    }
    let read: Data
    do {
      read = try handle.read(upToCount: 4096) ?? Data()
    } catch {
      throw HubError(file.path, .setting("the token in it cannot be read (\(systemReason(error))); correct it, or set HF_TOKEN"))
    }
    return try token(String(decoding: read, as: UTF8.self), from: file.path)
  }

  private static func token(_ text: String, from place: String) throws(HubError) -> String? {
    let plain = text.trimmingCharacters(in: .whitespacesAndNewlines)
    if plain.isEmpty { return nil }
    // Anything else could end the header that it is sent in.
    if !plain.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) {
      throw HubError(place, .setting("it holds no token: a token has neither blanks nor line breaks nor special characters"))
    }
    return plain
  }

  /// `~` and variables replaced, as a shell does; unknown variables stay.
  private static func expanded(_ text: String, _ variables: [String: String]) -> String {
    var path = text
    if path == "~" || path.hasPrefix("~/") {
      path = (variables["HOME"] ?? NSHomeDirectory()) + path.dropFirst()
    } else if path.hasPrefix("~") {
      path = NSString(string: path).expandingTildeInPath
    }
    return path.replacing(/\$(?:\{([^}]*)\}|([A-Za-z0-9_]+))/) { match in
      variables[String(match.1 ?? match.2 ?? "")] ?? String(match.0)
    }
  }
}
