/// Why a picture cannot be had.
public struct FetchError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Whose fault it is.
  public enum Kind: Sendable, Equatable {
    /// The address or the data are not acceptable, now or later.
    case refused
    /// The other side does not deliver.
    case failed
  }

  /// Whose fault it is.
  public let kind: Kind
  /// A name for programs.
  public let code: String
  /// One sentence for people; it repeats nothing that the other side said, nor where names lead.
  public let description: String

  /// An error of its parts.
  public init(_ kind: Kind, _ code: String, _ description: String) {
    (self.kind, self.code, self.description) = (kind, code, description)
  }

  static func unsupported(_ reason: String) -> FetchError { FetchError(.refused, "unsupported_image_url", reason) }
  static func blocked(_ reason: String) -> FetchError { FetchError(.refused, "blocked_image_url", reason) }
  static func invalid(_ reason: String) -> FetchError { FetchError(.refused, "invalid_image", reason) }
  static func failed(_ reason: String) -> FetchError { FetchError(.failed, "image_fetch_failed", reason) }
}
