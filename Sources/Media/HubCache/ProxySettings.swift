import Foundation

/// The proxies that requests go through: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case first.
public struct ProxySettings: Sendable {
  /// A proxy.
  public struct Proxy: Hashable, Sendable {
    /// Where it listens.
    public let host: String
    /// Where it listens.
    public let port: Int
    /// Whether it speaks SOCKS 5 and not HTTP.
    public let isSOCKS: Bool
    /// Who asks, where it wants to know.
    public let user, password: String?
  }

  private let byScheme: [String: Proxy]
  private let exceptions: [String]

  /// Reads the variables.
  ///
  /// - Throws: `HubError` with `.setting` for an address that is none.
  init(_ variables: [String: String]) throws(HubError) {
    func value(_ name: String) -> String? {
      [name, name.uppercased()].lazy.compactMap { variables[$0] }.first { !$0.isEmpty }
    }
    var found: [String: Proxy] = [:]
    for scheme in ["http", "https"] {
      for name in [scheme + "_proxy", "all_proxy"] where found[scheme] == nil {
        if let text = value(name) { found[scheme] = try Self.proxy(text, name.uppercased()) }
      }
    }
    byScheme = found
    exceptions = (value("no_proxy") ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
  }

  /// All proxies.
  package var all: Set<Proxy> { Set(byScheme.values) }

  /// The proxy for an address; nil where it is asked directly.
  ///
  /// `NO_PROXY` lists hosts and domains, with everything below them; `*` is all.
  package func proxy(for url: URL) -> Proxy? {
    guard let scheme = url.scheme?.lowercased(), let proxy = byScheme[scheme], let host = url.host()?.lowercased() else {
      return nil
    }
    let address = host + ":\(url.port ?? (scheme == "https" ? 443 : 80))"
    for exception in exceptions where !exception.isEmpty {
      let name = exception.hasPrefix(".") ? String(exception.dropFirst()) : exception
      if exception == "*" || [host, address].contains(name) || host.hasSuffix("." + name) || address.hasSuffix("." + name) {
        return nil
      }
    }
    return proxy
  }

  private static func proxy(_ text: String, _ name: String) throws(HubError) -> Proxy {
    let parts = URLComponents(string: text.contains("://") ? text : "http://" + text, encodingInvalidCharacters: false)
    guard let parts, let host = parts.host, !host.isEmpty, let scheme = parts.scheme?.lowercased(),
      let usual = ["http": 80, "socks5": 1080, "socks5h": 1080][scheme]
    else { throw HubError(name, .setting("it is no address of an HTTP or SOCKS 5 proxy; correct or unset it")) }
    return Proxy(host: host, port: parts.port ?? usual, isSOCKS: scheme != "http", user: parts.user, password: parts.password)
  }
}
