/// What an address can hold.
public enum FetchedContent: Sendable {
  /// A picture.
  case picture
  /// A video.
  case video
  /// Sound.
  case sound
}

/// What an address is expected to hold.
struct FetchedKind: Sendable {
  /// What people call it.
  let noun: String
  /// Beginning of its media types.
  let type: String
  /// A media type.
  let example: String
  /// What is asked for over the network.
  let accepted: String
  /// Most bytes.
  let limit: Int
  private let code: String

  /// A picture of at most so many bytes.
  static func picture(_ limit: Int) -> FetchedKind {
    FetchedKind(
      noun: "picture", type: "image/", example: "image/png", accepted: "image/jpeg, image/png, image/webp, image/gif",
      limit: limit, code: "image_too_large")
  }

  /// A video of at most so many bytes.
  static func video(_ limit: Int) -> FetchedKind {
    FetchedKind(
      noun: "video", type: "video/", example: "video/mp4", accepted: "video/*, image/gif", limit: limit, code: "video_too_large")
  }

  /// Sound of at most so many bytes; videos have some too.
  static func sound(_ limit: Int) -> FetchedKind {
    FetchedKind(
      noun: "sound", type: "audio/", example: "audio/wav", accepted: "audio/*", limit: limit, code: "audio_too_large")
  }

  /// That it has too many bytes.
  func tooLarge(_ kind: FetchError.Kind) -> FetchError {
    FetchError(kind, code, "the \(noun) has more than \(limit) bytes")
  }
}
