/// Why a request is not answered, in the shape that OpenAI's clients know.
///
/// Clients repeat what ends with 408, 409, 429 or 500 and above, so whatever would fail again has another status.
public struct APIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The families of errors, by which clients choose an exception.
  public enum Kind: String, Sendable, Encodable {
    /// The request is wrong.
    case invalidRequest = "invalid_request_error"
    /// The key is.
    case authentication = "authentication_error"
    /// There is too much to do.
    case rateLimit = "rate_limit_error"
    /// The server is at fault.
    case server = "server_error"
  }

  /// The HTTP status.
  public var status: Int
  /// The family.
  public var kind: Kind
  /// A name for programs.
  public var code: String?
  /// The field that is wrong, as a path: `messages[1].content[0].image_url.url`.
  public var param: String?
  /// One sentence for people, without addresses or paths of the server.
  public var message: String
  /// Seconds after which to try again.
  public var retryAfter: Int?

  /// An error of its parts.
  public init(
    _ status: Int, _ kind: Kind = .invalidRequest, code: String? = nil, param: String? = nil, retryAfter: Int? = nil,
    _ message: String
  ) {
    (self.status, self.kind, self.code, self.param) = (status, kind, code, param)
    (self.retryAfter, self.message) = (retryAfter, message)
  }

  /// A value that a field cannot have.
  public static func invalidValue(_ param: String, _ message: String) -> APIError {
    APIError(400, code: "invalid_value", param: param, message)
  }

  /// Something that is not offered here.
  public static func unsupported(_ param: String, _ message: String) -> APIError {
    APIError(400, code: "unsupported_parameter", param: param, message)
  }

  /// A body that is no JSON.
  public static func invalidJSON(_ message: String) -> APIError { APIError(400, code: "invalid_json", message) }

  /// The message.
  public var description: String { message }
}

extension APIError: Encodable {
  private enum Outer: CodingKey { case error }
  private enum Inner: CodingKey { case message, type, param, code }

  /// `{"error": {"message", "type", "param", "code"}}`, absent values as null.
  public func encode(to encoder: any Encoder) throws {
    var outer = encoder.container(keyedBy: Outer.self)
    var inner = outer.nestedContainer(keyedBy: Inner.self, forKey: .error)
    try inner.encode(message, forKey: .message)
    try inner.encode(kind, forKey: .type)
    try inner.encode(param, forKey: .param)
    try inner.encode(code, forKey: .code)
  }
}
