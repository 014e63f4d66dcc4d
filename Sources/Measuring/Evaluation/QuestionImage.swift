import Foundation
import Imaging
import Video

/// What a question is about: a picture, which is a file or base64 text inside a benchmark's own file, or a video.
public struct QuestionImage: Sendable, Hashable, CustomStringConvertible {
  private enum Content: Sendable {
    case file(URL)
    case base64(ArraySlice<UInt8>)
    case video(QuestionVideo)
  }

  /// Equal for the same picture only: a path, with the part of a video that is looked at, or the place inside a file.
  public let key: String
  private let content: Content

  /// A picture in a file of its own.
  public init(file: URL) {
    key = file.path
    content = .file(file)
  }

  /// A picture inside another file.
  ///
  /// - Parameter key: names the picture; the same for the same picture.
  public init(key: String, base64: ArraySlice<UInt8>) {
    self.key = key
    content = .base64(base64)
  }

  /// A video.
  public init(video: QuestionVideo) {
    key = video.key
    content = .video(video)
  }

  /// The picture's file; nil for one inside another file, and for a video.
  public var file: URL? { if case .file(let url) = content { url } else { nil } }

  /// The video; nil for a picture.
  public var video: QuestionVideo? { if case .video(let video) = content { video } else { nil } }

  /// Decodes the picture to RGB, whatever it is stored as; its EXIF orientation is ignored, as the reference does.
  ///
  /// Of a video this is the first frame of its part.
  ///
  /// - Throws: `ImagingError`, `VideoError`, or `EvaluationError.image` for text that is no base64.
  public func decoded(limits: ImageLimits = .standard) throws -> RGBImage {
    switch content {
    case .file(let url): return try RGBImage(contentsOf: url, orientation: .ignored, limits: limits)
    case .base64(let text):
      guard let data = Data(base64Encoded: Data(text), options: .ignoreUnknownCharacters) else {
        throw EvaluationError.image(key, reason: "the image is not base64")
      }
      return try RGBImage(data: data, name: key, orientation: .ignored, limits: limits)
    case .video(let video):
      var first: RGBImage?
      try video.open().frames(FrameSampling(maximumFrames: 1), in: video.clip) { first = $0.image }
      guard let first else { throw VideoError.noFrames(file: key) }
      return first
    }
  }

  /// The key.
  public var description: String { key }

  /// Compares keys.
  public static func == (one: QuestionImage, other: QuestionImage) -> Bool { one.key == other.key }

  /// Hashes the key.
  public func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
