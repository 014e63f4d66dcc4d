import Foundation
import HubCache
import NIOCore
import NIOHTTP1

/// A file's bytes on their way into a partial file, in as many requests as it takes.
struct Transfer {
  let blob: BlobDownload
  let partial: PartialBlob

  private var size: Int { blob.listed.size }
  private var requests: HubRequests { blob.requests }

  /// Fetches until all bytes are there; a transfer that is cut goes on where it was.
  ///
  /// - Throws: `HubError`, `Trouble`, `FileError`; what came stays in the partial file.
  func run() async throws {
    var failures = 0
    var furthest = try partial.size()
    while try partial.size() < size {
      var trouble = Trouble.connection("the connection was cut")
      do {
        try await stretch()
      } catch let found as Trouble {
        trouble = found
      }
      let now = try partial.size()
      if now >= size { return }
      // A server that always begins anew and is always cut brings bytes, and gets nowhere.
      failures = now > furthest ? 1 : failures + 1
      furthest = max(furthest, now)
      guard trouble.isPassing, failures <= requests.policy.attempts,
        let pause = requests.policy.pause(before: failures, requested: trouble.requestedPause)
      else {
        guard case .connection(let reason) = trouble else { throw trouble }
        throw HubError(requests.name.description, .cut(file: blob.path, reason: reason, done: now, size: size))
      }
      try await Task.sleep(for: pause)
    }
  }

  /// One request and what it brings.
  private func stretch() async throws {
    var start = try partial.size()
    let url = try requests.address(blob.path, blob.repository.name.revision)
    let range: HTTPHeaders = start > 0 ? ["Range": "bytes=\(start)-"] : [:]
    let body: HTTPBody
    do {
      body = try await HTTPBody(requests.connection.send(.GET, url, headers: range, of: requests.name))
    } catch Trouble.status(let refusal) where refusal.status == 416 && start > 0 {
      // What is there cannot be gone on with.
      try restart(&start)
      throw Trouble.connection("the hub refuses the rest of the file")
    }
    if let encoding = body.encoding {
      throw requests.fault(url.path, "is packed (\(encoding.prefix(20))), which was not asked for")
    }
    if start > 0, body.status != 206 { try restart(&start) }
    if body.status == 206 {
      guard let found = body.range, found.start == start, found.total == nil || found.total == size else {
        throw requests.fault(url.path, "holds other bytes than were asked for")
      }
    } else if let length = body.length, length != size {
      throw wrongSize(length)
    }
    var position = start
    do {
      for try await piece in body.stream {
        position += piece.readableBytes
        if position > size { throw wrongSize(position) }
        try piece.withUnsafeReadableBytes { try partial.append($0) }
        blob.tally.came(piece.readableBytes)
      }
    } catch {
      if Task.isCancelled { throw CancellationError() }
      throw Trouble(connecting: error) ?? error
    }
  }

  private func restart(_ start: inout Int) throws {
    try partial.truncate(to: 0)
    blob.tally.lost(start)
    start = 0
  }

  private func wrongSize(_ found: Int) -> HubError {
    HubError(requests.name.description, .wrongSize(file: blob.path, found: found, expected: size))
  }
}
