import CVideoCodecs
import Imaging

/// A video that is being decoded, frame after frame, for as long as this is there.
final class OpenVideo {
  /// Columns of a frame, upright.
  let width: Int
  /// Rows of a frame, upright.
  let height: Int
  /// From the first frame's beginning to the last one's end, in seconds; 0 of a stream.
  let seconds: Double
  /// When each frame comes on show, ascending, in seconds from the first; empty of a stream.
  let times: [Double]

  private let name: String
  private let limits: VideoLimits
  private let facts: EpicVideoFacts
  private let source: Source
  private let video: OpaquePointer

  /// Opens a video.
  ///
  /// - Parameter isStream: read once as it comes; its end is not looked for first.
  /// - Throws: ``VideoError``, naming `name`.
  init(_ source: Source, name: String, _ limits: VideoLimits, isStream: Bool) throws {
    (self.source, self.name, self.limits) = (source, name, limits)
    var facts = EpicVideoFacts()
    var message = EpicVideoMessage()
    let bounds = EpicVideoLimits(
      pixels: Int64(max(1, min(limits.maximumPixels, Int(Int32.max)))), side: Int64(max(1, limits.maximumSide)),
      seconds: limits.maximumSeconds, frames: Int64(max(1, min(limits.maximumFrames, 1 << 28))))
    let open = isStream ? epic_video_stream : epic_video_open
    guard let video = open(source.bytes, bounds, &facts, &message) else { throw VideoError(message, name, limits) }
    (self.video, self.facts) = (video, facts)
    seconds = facts.seconds
    let (columns, rows) = (Int(facts.width), Int(facts.height))
    (width, height) = facts.orientation >= 5 ? (rows, columns) : (columns, rows)
    let count = Int(facts.frames)
    times = [Double](unsafeUninitializedCapacity: count) { room, initialized in
      if count > 0 { epic_video_times(video, room.baseAddress) }
      initialized = count
    }
  }

  deinit { epic_video_close(video) }

  /// Decodes the next frame.
  ///
  /// - Returns: when it comes on show, in seconds from the first; nil behind the last one.
  /// - Throws: ``VideoError``.
  func decode() throws -> Double? {
    var (time, message) = (0.0, EpicVideoMessage())
    switch epic_video_next(video, &time, &message) {
    case 1: return time
    case 0: return nil
    default: throw VideoError(message, name, limits)
    }
  }

  /// The frame before the one that was decoded last; behind the last one that.
  ///
  /// - Throws: ``VideoError``.
  func convert() throws -> RGBImage {
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
