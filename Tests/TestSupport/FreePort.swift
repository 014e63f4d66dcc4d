import Foundation
import Glibc
import Synchronization

/// A port of this machine that nobody listened on a moment ago.
///
/// It lies below those that the system gives to whoever asks for any, so that nobody else gets it before it is used, and no test gets it twice.
///
/// - Throws: `POSIXError` where none is free.
public func freePort() throws -> Int {
  try givenPorts.withLock { given in
    while true {
      let port = Int.random(in: 20_000..<32_000)
      guard given.insert(port).inserted else { continue }
      do {
        return try TakenPort(port).port
      } catch let error as POSIXError where error.code == .EADDRINUSE && given.count < 6_000 {
        continue
      }
    }
  }
}

private let givenPorts = Mutex(Set<Int>())

/// A port of this machine that this process listens on, answering nobody.
public final class TakenPort {
  /// Its number.
  public let port: Int
  private let socket: Int32

  /// Takes one.
  ///
  /// - Parameter wanted: its number; 0 for any that is free.
  /// - Throws: `POSIXError` where it is taken, or the system gives none.
  public init(_ wanted: Int = 0) throws {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(wanted).bigEndian
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
