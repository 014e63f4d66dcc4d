import Foundation

/// What can go wrong between a file and the frames of a video.
///
/// The description is one sentence that names the file, what was found and what to do.
public enum VideoError: Error, Sendable, Equatable {
  /// The file could not be opened or read.
  case unreadable(file: String, reason: String)
  /// The file holds no bytes.
  case emptyFile(file: String)
  /// The file is larger than ``VideoLimits/maximumBytes``.
  case tooManyBytes(file: String, found: Int, limit: Int)
  /// The content is that of no container that is known here, or has no video in it.
  case notAVideo(file: String, reason: String)
  /// The video is of a codec that is not decoded.
  case unsupportedCodec(file: String, codec: String)
  /// The container has a video stream without frames.
  case noFrames(file: String)
  /// Frames have more pixels, or a longer side, than ``VideoLimits`` allows.
  case tooManyPixels(file: String, reason: String, limit: VideoLimits)
  /// The video is longer than ``VideoLimits/maximumSeconds``.
  case tooLong(file: String, seconds: String, limit: Double)
  /// The video has more frames than ``VideoLimits/maximumFrames``.
  case tooManyFrames(file: String, limit: Int)
  /// The content cannot be decoded, because it is cut short or corrupt.
  case damaged(file: String, reason: String)
  /// Frames were asked for in a way that makes no sense.
  case sampling(reason: String)
  /// A part was asked for that lies outside of the video.
  case outside(file: String, clip: ClosedRange<Double>, seconds: Double)
}

extension VideoError: CustomStringConvertible, LocalizedError {
  /// One sentence, on one line, that names the file, what was found and what to do.
  public var description: String {
    // File names may hold line breaks.
    sentence.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private var sentence: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): the file cannot be read (\(reason)); check the path and its permissions."
    case .emptyFile(let file): "\(file): the file is empty; fetch or export the video again."
    case .tooManyBytes(let file, let found, let limit):
      "\(file): the file has \(found) bytes, more than the limit of \(limit); shorten the video or raise the limit."
    case .notAVideo(let file, let reason):
      "\(file): the content is not a video (\(reason)); give MP4, MOV, WebM, Matroska, AVI, MPEG, Ogg or GIF."
    case .unsupportedCodec(let file, let codec):
      "\(file): video of the codec \(codec) is not decoded; convert it to H.264, HEVC, VP9 or AV1."
    case .noFrames(let file): "\(file): the video has no frames; export it again."
    case .tooManyPixels(let file, let reason, let limit):
      """
      \(file): \(reason), more than the limit of \(limit.maximumPixels) pixels (\(limit.maximumSide) a side); shrink the video or raise \
      the limit.
      """
    case .tooLong(let file, let seconds, let limit):
      "\(file): the video is \(seconds) seconds long, more than the limit of \(Int(limit)); cut it or raise the limit."
    case .tooManyFrames(let file, let limit):
      "\(file): the video has more than \(limit) frames; cut it or raise the limit."
    case .damaged(let file, let reason):
      "\(file): the video is truncated or damaged (\(reason)); fetch or export it again."
    case .sampling(let reason): "\(reason)."
    case .outside(let file, let clip, let seconds):
      "\(file): the part from \(clip.lowerBound) s to \(clip.upperBound) s is not in the video, which has \(seconds) s; correct it."
    }
  }

  /// The same sentence as ``description``.
  public var errorDescription: String? { description }
}
