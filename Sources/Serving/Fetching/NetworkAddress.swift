import Foundation

/// The number of a host, as the system connects to it.
public struct NetworkAddress: Sendable, Hashable, CustomStringConvertible {
  /// Four or sixteen bytes.
  public let bytes: [UInt8]

  /// An address of four or sixteen bytes; nil for another number of them.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// An address of its usual spelling; nil where it is none.
  public init?(_ text: String) {
    var (four, six) = (in_addr(), in6_addr())
    if inet_pton(AF_INET, text, &four) == 1 {
      bytes = withUnsafeBytes(of: &four) { Array($0) }
    } else if inet_pton(AF_INET6, text, &six) == 1 {
      bytes = withUnsafeBytes(of: &six) { Array($0) }
    } else {
      return nil
    }
  }

  /// The usual spelling.
  public var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    _ = bytes.withUnsafeBytes {
      inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, $0.baseAddress, &text, socklen_t(text.count))
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Whether it belongs to a host of the public internet.
  ///
  /// Everything that IANA's registries of special-purpose addresses name is left out: this machine, private and shared networks, link-local
  /// ones with the metadata services of clouds, documentation, multicast, and addresses that carry another one inside.
  public var isPublic: Bool {
    bytes.count == 4
      ? !Self.special4.contains { isIn($0.0, $0.1) } : isIn([0x20], 3) && !Self.special6.contains { isIn($0.0, $0.1) }
  }

  private func isIn(_ prefix: [UInt8], _ bits: Int) -> Bool {
    (0..<bits).allSatisfy { bit in
      let mask = UInt8(0x80) >> UInt8(bit % 8)
      return bytes[bit / 8] & mask == (bit / 8 < prefix.count ? prefix[bit / 8] : 0) & mask
    }
  }

  private static let special4: [([UInt8], Int)] = [
    ([0], 8), ([10], 8), ([100, 64], 10), ([127], 8), ([169, 254], 16), ([172, 16], 12), ([192, 0, 0], 24), ([192, 0, 2], 24),
    ([192, 31, 196], 24), ([192, 52, 193], 24), ([192, 88, 99], 24), ([192, 168], 16), ([192, 175, 48], 24), ([198, 18], 15),
    ([198, 51, 100], 24), ([203, 0, 113], 24), ([224], 4), ([240], 4),
  ]

  /// Within 2000::/3, all that is public: Teredo and its like, documentation, 6to4, which carries an IPv4 address.
  private static let special6: [([UInt8], Int)] = [
    ([0x20, 0x01], 23), ([0x20, 0x01, 0x0d, 0xb8], 32), ([0x20, 0x02], 16), ([0x26, 0x20, 0x00, 0x4f, 0x80, 0x00], 48),
    ([0x3f, 0xff], 20),
  ]
}

/// Turns names into addresses.
public protocol NameResolver: Sendable {
  /// All addresses of a name, in the order in which they are to be tried.
  ///
  /// - Throws: `FetchError` where there is none.
  func addresses(of host: String) async throws -> [NetworkAddress]
}

/// The system's resolver.
public struct SystemResolver: NameResolver {
  /// The system's resolver.
  public init() {}

  /// Asks on a thread of its own, as the system's function blocks.
  public func addresses(of host: String) async throws -> [NetworkAddress] {
    try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result { try Self.lookUp(host) }) }.start()
    }
  }

  private static func lookUp(_ host: String) throws -> [NetworkAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &list) == 0, let list else { throw FetchError.failed("the host's name is not known") }
    defer { freeaddrinfo(list) }
    var found: [NetworkAddress] = []
    for entry in sequence(first: list, next: { $0.pointee.ai_next }) {
      guard let address = entry.pointee.ai_addr else { continue }
      let bytes: [UInt8]? =
        switch entry.pointee.ai_family {
        case AF_INET:
          address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
            withUnsafeBytes(of: pointer.pointee.sin_addr) { Array($0) }
          }
        case AF_INET6:
          address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
            withUnsafeBytes(of: pointer.pointee.sin6_addr) { Array($0) }
          }
        default: nil
        }
      if let bytes, let one = NetworkAddress(bytes: bytes), !found.contains(one) { found.append(one) }
    }
    return found
  }
}
