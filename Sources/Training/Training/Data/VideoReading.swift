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
  func video(_ path: String, at place: MediumPlace) throws -> PicturePixels? {
    let shown = InlineMedium.shown(path)
    do {
      let reader: VideoReader
      switch place {
      case .file(let url): reader = try VideoReader(contentsOf: url, limits: limits)
      case .inside(let medium):
        reader = try VideoReader(data: medium.read(orThrow: .badVideo, shown), name: place.name, limits: limits)
      case .absent(let reason): throw RecordProblem(.missingVideo, reason, path: shown)
      }
      if let preparer { return try preparer(reader, sampling) }
      try reader.frames(sampling) { _ in }
      return nil
    } catch let error as VideoError {
      let isThere = place.isThere
      throw RecordProblem(isThere ? .badVideo : .missingVideo, isThere ? place.reason(error) : "no such file", path: shown)
    } catch let error as ImagingError {
      guard case .tooNarrow = error else { throw error }
      throw RecordProblem(.badVideo, error.description, path: shown)
    }
  }
}
