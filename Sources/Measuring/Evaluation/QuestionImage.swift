import Foundation
import Imaging

/// The picture of a question: a file, or base64 text inside a benchmark's own file.
public struct QuestionImage: Sendable, Hashable, CustomStringConvertible {
  private enum Content: Sendable {
    case file(URL)
    case base64(ArraySlice<UInt8>)
  }

  /// Equal for the same picture only: a path, or the place inside a file.
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

  /// The picture's file; nil for one inside another file.
  public var file: URL? { if case .file(let url) = content { url } else { nil } }

  /// Decodes the picture to RGB, whatever it is stored as; its EXIF orientation is ignored, as the reference does.
  ///
  /// - Throws: `ImagingError`, or `EvaluationError.image` for text that is no base64.
  public func decoded(limits: ImageLimits = .standard) throws -> RGBImage {
    switch content {
    case .file(let url): return try RGBImage(contentsOf: url, orientation: .ignored, limits: limits)
    case .base64(let text):
      guard let data = Data(base64Encoded: Data(text), options: .ignoreUnknownCharacters) else {
        throw EvaluationError.image(key, reason: "the image is not base64")
      }
      return try RGBImage(data: data, name: key, orientation: .ignored, limits: limits)
    }
  }

  /// The key.
  public var description: String { key }

  /// Compares keys.
  public static func == (one: QuestionImage, other: QuestionImage) -> Bool { one.key == other.key }

  /// Hashes the key.
  public func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
