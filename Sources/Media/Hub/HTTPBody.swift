import AsyncHTTPClient
import Foundation
import NIOHTTP1

/// An answer with a file or a part of one.
struct HTTPBody {
  let status: UInt
  let stream: HTTPClientResponse.Body
  /// Bytes of the body; nil where they are not announced.
  let length: Int?
  /// Which bytes of how many, of `Content-Range: bytes 5-9/10`.
  let range: (start: Int, total: Int?)?
  /// How the body is packed; nil for not at all.
  let encoding: String?

  init(_ response: HTTPClientResponse) {
    status = response.status.code
    stream = response.body
    length = response.headers.first(name: "Content-Length").flatMap { Int($0) }
    let text = response.headers.first(name: "Content-Range") ?? ""
    range = text.wholeMatch(of: /bytes ([0-9]{1,18})-[0-9]{1,18}\/([0-9]{1,18}|\*)/).flatMap { match in
      Int(match.1).map { (start: $0, total: Int(match.2)) }
    }
    let packing = response.headers.first(name: "Content-Encoding")?.lowercased()
    encoding = packing == "identity" ? nil : packing
  }
}
