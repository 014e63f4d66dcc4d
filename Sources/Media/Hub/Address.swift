import Foundation

/// Who is asked: scheme, host and port of a URL.
struct Origin: Hashable, Sendable {
  let scheme, host: String
  let port: Int

  /// - Returns: nil for anything but http and https.
  init?(_ url: URL) {
    guard let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme), let host = url.host()?.lowercased(),
      !host.isEmpty
    else { return nil }
    (self.scheme, self.host) = (scheme, host)
    port = url.port ?? (scheme == "https" ? 443 : 80)
  }
}

extension String {
  /// With everything escaped but letters, digits and `-._~`, and what is kept besides.
  func percentEncoded(keeping kept: String = "") -> String {
    let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" + kept)
    return addingPercentEncoding(withAllowedCharacters: plain) ?? self
  }

  /// The target of `rel="next"` in a `Link` header: `<https://hub/page2>; rel="next"`.
  var nextLink: String? {
    for match in matches(of: /<([^>]*)>([^<]*)/) where match.2.contains(/;\s*rel="?next"?\s*(?:[;,]|$)/) {
      return String(match.1)
    }
    return nil
  }

  /// An `ETag` without the mark of a weak one and without quotes; nil where it cannot be a file's name.
  var plainETag: String? {
    var text = self[...]
    if text.hasPrefix("W/") { text = text.dropFirst(2) }
    let plain = text.trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    guard plain.wholeMatch(of: /[A-Za-z0-9_\-][A-Za-z0-9._\-]{0,199}/) != nil else { return nil }
    return plain
  }
}
