import ChatProtocol
import Crypto
import Foundation
import HTTPTypes
import Hummingbird

/// Who may ask: keys, and pages of other origins.
struct Access: Sendable {
  private let keys: [SHA256Digest]
  private let origins: Set<String>

  init(_ options: ServerOptions) {
    keys = options.keys.map { SHA256.hash(data: Data($0.utf8)) }
    origins = options.origins
  }

  /// Whether a request brings a key.
  ///
  /// Digests are compared, all of each and with all keys, so the time tells nothing of how much was right.
  func requireKey(_ headers: HTTPFields) throws(APIError) {
    if keys.isEmpty { return }
    let given = headers[values: .authorization]
    let digest = SHA256.hash(data: Data((given.first ?? "").utf8.dropFirst("Bearer ".utf8.count)))
    var matches = false
    for key in keys {
      let difference = zip(key, digest).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
      matches = difference == 0 || matches
    }
    let isBearer = given.first?.hasPrefix("Bearer ") ?? false
    guard given.count == 1, isBearer, matches else {
      throw APIError(401, .authentication, code: "invalid_api_key", "the request brings no key that is known here")
    }
  }

  private static let allowedHeaders =
    "authorization, content-type, accept, x-request-id, x-stainless-lang, x-stainless-package-version, x-stainless-os, "
    + "x-stainless-arch, x-stainless-runtime, x-stainless-runtime-version, x-stainless-async, x-stainless-retry-count, "
    + "x-stainless-timeout, x-stainless-read-timeout, x-stainless-helper-method, x-stainless-poll-helper, "
    + "x-stainless-custom-poll-interval, openai-organization, openai-project, user-agent"

  /// What a page's browser has to be told; nothing for origins that are not on the list, and never anything about credentials.
  func originHeaders(_ headers: HTTPFields, isPreflight: Bool = false) -> HTTPFields {
    var found = HTTPFields()
    guard let origin = headers[.origin], !origins.isDisjoint(with: [origin, "*"]) else { return found }
    found[.accessControlAllowOrigin] = origins.contains("*") ? "*" : origin
    found[.vary] = "origin"
    if isPreflight {
      found[.accessControlAllowMethods] = "GET, POST, OPTIONS"
      found[.accessControlAllowHeaders] = Self.allowedHeaders
      found[.accessControlMaxAge] = "600"
    } else {
      found[.accessControlExposeHeaders] = "x-request-id, x-epic-visual-tokens, retry-after"
    }
    return found
  }

  /// A request's own name where it has a usable one, else a new one.
  static func requestID(_ headers: HTTPFields) -> String {
    if let name = HTTPField.Name("x-request-id"), let given = headers[name], (1...128).contains(given.utf8.count),
      given.utf8.allSatisfy({
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
          || "-_.".utf8.contains($0)
      })
    {
      return given
    }
    return UUID().uuidString.lowercased()
  }
}
