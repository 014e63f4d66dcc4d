/// An http or https address of a picture, read by the only parser that looks at it.
///
/// Two readers that understand an address differently are a hole: one checks one host, the other connects to another. So this one is
/// strict, and what is connected to is put together from its parts. Anything that some reader could take otherwise is refused: user names,
/// backslashes, white space, characters beyond ASCII, numbers in place of names.
public struct PictureURL: Sendable, Equatable {
  /// `http` or `https`.
  public let scheme: String
  /// A name of letters, digits, dots and hyphens, in lower case; never an address.
  public let host: String
  /// The port, the scheme's own where none is named.
  public let port: Int
  /// Path and query, beginning with a slash.
  public let target: String

  /// Longest address, in bytes.
  static let maximumLength = 2048

  /// Reads an address.
  ///
  /// - Throws: `FetchError`.
  public init(_ text: String) throws(FetchError) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.maximumLength else {
      throw .unsupported("the address has more than \(Self.maximumLength) bytes")
    }
    guard bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }) else {
      throw .unsupported("the address has white space, backslashes or characters beyond ASCII; percent-encode them")
    }
    guard let colon = text.firstIndex(of: ":") else {
      throw .unsupported("the address has no scheme; send a data URI, or an http or https address where the server allows it")
    }
    scheme = text[..<colon].lowercased()
    guard scheme == "http" || scheme == "https" else {
      throw .unsupported("addresses of this scheme are not fetched; send a data URI, or an http or https address")
    }
    let rest = text[text.index(after: colon)...]
    guard rest.hasPrefix("//") else { throw .unsupported("the address names no host") }
    let behind = rest.dropFirst(2)
    let end = behind.firstIndex { "/?#".contains($0) } ?? behind.endIndex
    (host, port) = try Self.authority(behind[..<end], scheme)
    target = try Self.target(behind[end...])
  }

  /// What is connected to, put together from the parts.
  public var text: String { "\(scheme)://\(host):\(port)\(target)" }

  /// Where a redirect leads: an address of its own, or another path of the same host.
  func redirected(to location: String) throws(FetchError) -> PictureURL {
    if location.hasPrefix("/"), !location.hasPrefix("//") { return try PictureURL("\(scheme)://\(host):\(port)\(location)") }
    return try PictureURL(location)
  }

  private static func authority(_ text: Substring, _ scheme: String) throws(FetchError) -> (String, Int) {
    if text.contains("@") { throw .blocked("the address has a user name; leave it out") }
    if text.contains("[") { throw .blocked("the address names a host by its number; only names are fetched") }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let host = parts[0].lowercased()
    var port = scheme == "http" ? 80 : 443
    if parts.count > 1 {
      guard parts.count == 2, (1...5).contains(parts[1].count), parts[1].allSatisfy({ $0.isASCII && $0.isNumber }),
        let number = Int(parts[1]), (1...65_535).contains(number)
      else { throw .unsupported("the address has no usable port") }
      port = number
    }
    try check(host)
    return (host, port)
  }

  private static func check(_ host: String) throws(FetchError) {
    if host.isEmpty { throw .unsupported("the address names no host") }
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard host.utf8.count <= 253, labels.allSatisfy({ (1...63).contains($0.utf8.count) }) else {
      throw .blocked("the address's host is no name: a label is empty or too long")
    }
    let isName = labels.allSatisfy { label in
      label.utf8.allSatisfy {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == 0x2D
      }
        && label.first != "-" && label.last != "-"
    }
    guard isName else { throw .blocked("the address's host is no name of letters, digits, dots and hyphens") }
    // 127.1, 2130706433, 0x7f000001 and 0177.0.0.1 are addresses for some readers and names for none that matters.
    guard let last = labels.last, last.utf8.contains(where: { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }),
      !last.hasPrefix("0x")
    else { throw .blocked("the address names a host by its number; only names are fetched") }
  }

  private static func target(_ text: Substring) throws(FetchError) -> String {
    // What stands behind "#" is for the reader of the page.
    let path = String(text.prefix { $0 != "#" })
    var rest = path.utf8[...]
    while let percent = rest.firstIndex(of: UInt8(ascii: "%")) {
      let digits = rest[rest.index(after: percent)...].prefix(2)
      guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
        throw .unsupported("the address has a percent sign without two hexadecimal digits")
      }
      rest = rest[rest.index(percent, offsetBy: 3)...]
    }
    return path.hasPrefix("/") ? path : "/" + path
  }
}
