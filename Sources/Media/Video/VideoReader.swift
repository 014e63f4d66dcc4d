import Basics
import CVideoCodecs
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

  private let limits: VideoLimits
  private let facts: EpicVideoFacts
  private let source: Source
  private let video: OpaquePointer

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
    (self.source, self.name, self.limits) = (source, name, limits)
    var facts = EpicVideoFacts()
    var message = EpicVideoMessage()
    let bounds = EpicVideoLimits(
      pixels: Int64(max(1, min(limits.maximumPixels, Int(Int32.max)))), side: Int64(max(1, limits.maximumSide)),
      seconds: limits.maximumSeconds, frames: Int64(max(1, min(limits.maximumFrames, 1 << 28))))
    guard let video = epic_video_open(source.bytes, bounds, &facts, &message) else {
      throw VideoError(message, name, limits)
    }
    (self.video, self.facts) = (video, facts)
    seconds = facts.seconds
    let (columns, rows) = (Int(facts.width), Int(facts.height))
    (width, height) = facts.orientation >= 5 ? (rows, columns) : (columns, rows)
    let count = Int(facts.frames)
    times = [Double](unsafeUninitializedCapacity: count) { room, initialized in
      epic_video_times(video, room.baseAddress)
      initialized = count
    }
  }

  deinit { epic_video_close(video) }

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
    guard var shown = try decode() else { throw VideoError.noFrames(file: name) }
    while !wanted.isEmpty {
      // How long a frame is on show is known when the next one is there; only those that are looked at are converted.
      let next = try decode()
      var image: RGBImage?
      while let moment = wanted.first, next.map({ moment + slack < $0 }) ?? true {
        let picture = try image ?? convert()
        image = picture
        try receive(VideoFrame(time: moment, shownAt: shown, image: picture))
        wanted.removeFirst()
      }
      guard let next else { return }
      shown = next
    }
  }

  private func decode() throws -> Double? {
    var (time, message) = (0.0, EpicVideoMessage())
    switch epic_video_next(video, &time, &message) {
    case 1: return time
    case 0: return nil
    default: throw VideoError(message, name, limits)
    }
  }

  /// The frame before the one that was decoded last.
  private func convert() throws -> RGBImage {
    var message = EpicVideoMessage()
    let count = 3 * Int(facts.width) * Int(facts.height)
    var isDone = false
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { room, initialized in
      isDone = epic_video_rgb(video, room.baseAddress, &message) == 1
      initialized = isDone ? count : 0
    }
    if !isDone { throw VideoError(message, name, limits) }
    return try RGBImage(width: Int(facts.width), height: Int(facts.height), pixels: pixels).turned(
      orientation: Int(facts.orientation))
  }
}
