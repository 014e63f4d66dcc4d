import Foundation
import Imaging
import LLaVA
import Torch
import Video

/// How the videos of a data set are read.
public struct VideoReading: Sendable {
  /// Which frames are looked at.
  public var sampling: FrameSampling
  /// What is refused.
  public var limits: VideoLimits
  /// How frames are prepared; nil where they are read and nothing else.
  public var preparer: VideoPreparer?

  /// A way of reading.
  public init(_ preparer: VideoPreparer?, sampling: FrameSampling = FrameSampling(), limits: VideoLimits = .standard) {
    (self.preparer, self.sampling, self.limits) = (preparer, sampling, limits)
  }

  /// A video as the model takes it; nil where nothing prepares it.
  ///
  /// - Throws: `RecordProblem` for what is wrong with the file.
  func video(_ path: String, at url: URL) throws -> PicturePixels? {
    do {
      let reader = try VideoReader(contentsOf: url, limits: limits)
      if let preparer { return try preparer(reader, sampling) }
      try reader.frames(sampling) { _ in }
      return nil
    } catch let error as VideoError {
      // The record's own path is named beside it.
      let (text, prefix) = (error.description, url.relativePath + ": ")
      let reason = text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
      let isThere = FileManager.default.fileExists(atPath: url.path)
      throw RecordProblem(isThere ? .badVideo : .missingVideo, isThere ? reason : "no such file", path: path)
    } catch let error as ImagingError {
      guard case .tooNarrow = error else { throw error }
      throw RecordProblem(.badVideo, error.description, path: path)
    }
  }
}
