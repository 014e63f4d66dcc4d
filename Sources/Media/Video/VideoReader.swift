import Basics
import Foundation
import Imaging

/// A frame of a video.
public struct VideoFrame: Sendable, Equatable {
  /// When it is looked at, in seconds from the video's beginning.
  public let time: Double
  /// When it came on show; not after `time`.
  public let shownAt: Double
  /// The picture, upright.
  public let image: RGBImage

  /// The same moment with another picture.
  public func showing(_ image: RGBImage) -> VideoFrame { VideoFrame(time: time, shownAt: shownAt, image: image) }
}

/// A video file: how long it is and how many frames it has, and its frames in the order in which they are shown.
///
/// Frames are known by their presentation times. The file is read twice: once for the times of all frames, which decodes nothing, and
/// once to decode, from the beginning, as seeking is not exact. Frames are turned upright as the display matrix says, and colours are
/// brought to the full range by the stream's own range and matrix. Frames of another size than the first are brought to that.
public final class VideoReader {
  /// Columns of a frame, upright.
  public let width: Int
  /// Rows of a frame, upright.
  public let height: Int
  /// From the first frame's beginning to the last one's end, in seconds.
  public let seconds: Double
  /// When each frame comes on show, ascending, in seconds from the first.
  public let times: [Double]
  /// What errors call the video.
  public let name: String

  private let video: OpenVideo

  /// Opens a file.
  ///
  /// - Parameter url: A regular file.
  /// - Throws: ``VideoError``, naming the file.
  public convenience init(contentsOf url: URL, limits: VideoLimits = .standard) throws {
    try self.init(Source.file(url, limits), name: url.relativePath, limits)
  }

  /// Opens the content of a file.
  ///
  /// - Parameter name: What errors call it.
  /// - Throws: ``VideoError``, naming `name`.
  public convenience init(data: [UInt8], name: String, limits: VideoLimits = .standard) throws {
    if data.isEmpty { throw VideoError.emptyFile(file: name) }
    if data.count > limits.maximumBytes {
      throw VideoError.tooManyBytes(file: name, found: data.count, limit: limits.maximumBytes)
    }
    try self.init(Source(data), name: name, limits)
  }

  private init(_ source: Source, name: String, _ limits: VideoLimits) throws {
    video = try OpenVideo(source, name: name, limits, isStream: false)
    (self.name, width, height) = (name, video.width, video.height)
    (seconds, times) = (video.seconds, video.times)
  }

  /// The frames on show at some times, one after the other; for one reading of the file, so it can be asked for once.
  ///
  /// - Parameters:
  ///   - moments: ascending, in seconds from the video's beginning.
  ///   - receive: is given each frame; what it throws ends the reading.
  /// - Throws: ``VideoError``.
  public func frames(at moments: [Double], _ receive: (VideoFrame) throws -> Void) throws {
    // Times are numbers of units that no double holds exactly.
    let slack = 1e-6
    var wanted = moments[...]
    guard var shown = try video.decode() else { throw VideoError.noFrames(file: name) }
    while !wanted.isEmpty {
      // How long a frame is on show is known when the next one is there; only those that are looked at are converted.
      let next = try video.decode()
      var image: RGBImage?
      while let moment = wanted.first, next.map({ moment + slack < $0 }) ?? true {
        let picture = try image ?? video.convert()
        image = picture
        try receive(VideoFrame(time: moment, shownAt: shown, image: picture))
        wanted.removeFirst()
      }
      guard let next else { return }
      shown = next
    }
  }
}
