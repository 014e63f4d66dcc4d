import Foundation
import Synchronization

/// A small web server on this machine that serves pictures, or misbehaves.
final class PictureWeb: Sendable {
  enum Reply: Sendable {
    case body([UInt8])
    case redirect(String)
    case raw(String)
    /// The head, and then a byte in a second.
    case drip
    /// Bytes without end.
    case endless
    /// Nothing at all.
    case never
  }

  let port: Int
  private let listener: Int32
  private let count = Mutex(0)
  private let isClosed = Mutex(false)

  /// Requests so far.
  var asked: Int { count.withLock { $0 } }

  init(_ answer: @escaping @Sendable (_ path: String, _ host: String) -> Reply) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    listener = descriptor
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socket in
        bind(descriptor, socket, length) == 0 && listen(descriptor, 64) == 0 && getsockname(descriptor, socket, &length) == 0
      }
    }
    guard result else { throw RawClient.Failure(description: "cannot listen") }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread { [weak self] in
      while true {
        let connection = accept(descriptor, nil, nil)
        if connection < 0 { return }
        guard let self else {
          close(connection)
          return
        }
        Thread { self.serve(connection, answer) }.start()
      }
    }.start()
  }

  deinit {
    isClosed.withLock { $0 = true }
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private func serve(_ connection: Int32, _ answer: (String, String) -> Reply) {
    defer { close(connection) }
    var request: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 4096)
    while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n") {
      let read = recv(connection, &room, room.count, 0)
      if read <= 0 { return }
      request += room[..<read]
    }
    count.withLock { $0 += 1 }
    let lines = String(decoding: request, as: UTF8.self).components(separatedBy: "\r\n")
    let path = lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
    let host =
      lines.first { $0.lowercased().hasPrefix("host:") }.map { $0.dropFirst(5).trimmingCharacters(in: .whitespaces) } ?? ""
    func write(_ bytes: [UInt8]) -> Bool { Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 }
    func head(_ status: String, _ more: String) -> [UInt8] {
      Array("HTTP/1.1 \(status)\r\nConnection: close\r\n\(more)\r\n".utf8)
    }
    switch answer(path, host) {
    case .body(let bytes): _ = write(head("200 OK", "Content-Length: \(bytes.count)\r\n") + bytes)
    case .redirect(let location): _ = write(head("302 Found", "Location: \(location)\r\nContent-Length: 0\r\n"))
    case .raw(let text): _ = write(Array(text.utf8))
    case .never: sleep(4)
    case .drip:
      _ = write(head("200 OK", "Content-Length: 100\r\n"))
      for _ in 0..<6 where write([0]) { sleep(1) }
    case .endless:
      _ = write(head("200 OK", ""))
      for _ in 0..<10_000 where !write([UInt8](repeating: 0, count: 4096)) { return }
    }
  }
}
