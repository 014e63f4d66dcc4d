import Foundation
import TestSupport

/// A response as it came over the wire.
struct HTTPReply: Sendable {
  var status = 0
  var headers: [String: String] = [:]
  var body = Data()

  var text: String { String(decoding: body, as: UTF8.self) }
  var json: [String: Any]? { (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] }
  var error: [String: Any]? { json?["error"] as? [String: Any] }
  var code: String? { error?["code"] as? String }
  var kind: String? { error?["type"] as? String }
  var param: String? { error?["param"] as? String }
  var content: String? {
    ((json?["choices"] as? [[String: Any]])?.first?["message"] as? [String: Any])?["content"] as? String
  }
  /// The data of server-sent events.
  var events: [String] {
    text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
  }
}

/// A socket on which a test says exactly what it wants.
///
/// Sendable by hand: a test uses it from one thread at a time.
final class RawClient: @unchecked Sendable {
  struct Failure: Error, CustomStringConvertible { let description: String }

  private var descriptor: Int32
  private var received: [UInt8] = []

  init(port: Int, receiveBuffer: Int? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(description: "no socket: \(errno)") }
    var time = timeval(tv_sec: Int(Patience.seconds), tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    if var size = receiveBuffer.map(Int32.init) {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Failure(description: "cannot connect: \(String(cString: strerror(errno)))") }
  }

  deinit { close() }

  func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Closes its own direction.
  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Runs what blocks on a thread of its own.
  static func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result { try body() }) }.start()
    }
  }

  static func request(_ method: String, _ path: String, _ headers: [String: String] = [:], _ body: [UInt8]? = nil) -> [UInt8] {
    var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"]
    if let body {
      if headers["Content-Type"] == nil { lines.append("Content-Type: application/json") }
      lines.append("Content-Length: \(body.count)")
    }
    for (name, value) in headers.sorted(by: { $0.key < $1.key }) where !value.isEmpty { lines.append("\(name): \(value)") }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
  }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      // A server that has answered may close before it has read everything.
      if count <= 0 { return }
      sent += count
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// More bytes; false at the end.
  @discardableResult
  func readMore(_ most: Int = 1 << 16) throws -> Bool {
    var room = [UInt8](repeating: 0, count: most)
    let count = recv(descriptor, &room, most, 0)
    if count < 0, errno == EAGAIN { throw Failure(description: "nothing came for \(Int(Patience.seconds)) seconds") }
    if count <= 0 { return false }
    received += room[..<count]
    return true
  }

  /// Everything that has come and was not taken by `receive`.
  var pending: String { String(decoding: received, as: UTF8.self) }

  /// The next response.
  func receive(isHead: Bool = false) throws -> HTTPReply {
    var end: Int?
    while end == nil {
      end = Self.find(Array("\r\n\r\n".utf8), in: received)
      if end == nil, try !readMore() { throw Failure(description: "closed before a response: \(pending.prefix(200))") }
    }
    let head = String(decoding: received[..<(end ?? 0)], as: UTF8.self).components(separatedBy: "\r\n")
    received.removeFirst((end ?? 0) + 4)
    var reply = HTTPReply()
    reply.status = Int(head[0].split(separator: " ").dropFirst().first ?? "") ?? 0
    for line in head.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      reply.headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    }
    if isHead || reply.status == 204 { return reply }
    if reply.headers["transfer-encoding"]?.lowercased() == "chunked" {
      reply.body = try chunked()
    } else if let length = reply.headers["content-length"].flatMap({ Int($0) }) {
      while received.count < length { if try !readMore() { break } }
      reply.body = Data(received.prefix(length))
      received.removeFirst(min(length, received.count))
    } else {
      while try readMore() {}
      reply.body = Data(received)
      received = []
    }
    return reply
  }

  private func chunked() throws -> Data {
    var body = Data()
    while true {
      guard let end = Self.find([13, 10], in: received) else {
        if try !readMore() {
          throw Failure(description: "closed in the middle of a body: \(String(decoding: body.suffix(200), as: UTF8.self))")
        }
        continue
      }
      let size = Int(String(decoding: received[..<end], as: UTF8.self), radix: 16) ?? 0
      while received.count < end + 2 + size + 2 {
        if try !readMore() { throw Failure(description: "closed in the middle of a chunk") }
      }
      body += received[(end + 2)..<(end + 2 + size)]
      received.removeFirst(end + 2 + size + 2)
      if size == 0 { return body }
    }
  }

  private static func find(_ pattern: [UInt8], in bytes: [UInt8]) -> Int? {
    guard bytes.count >= pattern.count else { return nil }
    return (0...(bytes.count - pattern.count)).first { bytes[$0] == pattern[0] && bytes[$0...].starts(with: pattern) }
  }
}
