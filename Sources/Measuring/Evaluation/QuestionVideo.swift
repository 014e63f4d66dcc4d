import Foundation
import Video

/// The video of a question: a file or a folder of frames, and the part of it that the question is about.
public struct QuestionVideo: Sendable, Hashable {
  /// The file or the folder.
  public let url: URL
  /// Pictures of a second where it is a folder of them; nil for a file.
  public let framesPerSecond: Double?
  /// From when to when, in seconds from the beginning; nil for all of it.
  public let clip: ClosedRange<Double>?

  /// A video file.
  public init(file: URL, clip: ClosedRange<Double>? = nil) {
    (url, framesPerSecond, self.clip) = (file, nil, clip)
  }

  /// A folder of pictures that are called by their numbers.
  public init(frames folder: URL, perSecond: Double, clip: ClosedRange<Double>? = nil) {
    (url, framesPerSecond, self.clip) = (folder, perSecond, clip)
  }

  /// The path, and the part as a media fragment ("#t=1.5,4.0").
  var key: String { url.path + (clip.map { "#t=\($0.lowerBound),\($0.upperBound)" } ?? "") }

  /// Opens the file, or lists the folder.
  ///
  /// - Throws: `VideoError`, `ImagingError`.
  public func open() throws -> any FrameSource {
    if let framesPerSecond { return try FrameFolder(url, perSecond: framesPerSecond) }
    return try VideoReader(contentsOf: url)
  }
}
