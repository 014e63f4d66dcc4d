import Foundation
import Glibc

/// A port of this machine that nobody listened on a moment ago.
///
/// - Throws: `POSIXError` where the system gives none.
public func freePort() throws -> Int { try TakenPort().port }

/// A port of this machine that this process listens on, answering nobody.
public final class TakenPort {
  /// Its number.
  public let port: Int
  private let socket: Int32

  /// Takes one that is free.
  ///
  /// - Throws: `POSIXError` where the system gives none.
  public init() throws {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && listen(socket, 1) == 0 ? getsockname(socket, $0, &length) : -1
      }
    }
    if status != 0 {
      let reason = errno
      close(socket)
      throw POSIXError(POSIXErrorCode(rawValue: reason) ?? .EADDRNOTAVAIL)
    }
    (self.socket, port) = (socket, Int(UInt16(bigEndian: address.sin_port)))
  }

  deinit { close(socket) }
}
