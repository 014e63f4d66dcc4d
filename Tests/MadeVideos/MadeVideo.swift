import CVideoMaker
import Foundation

/// A small video for tests, of which every frame's time and colour are known.
public struct MadeVideo: Sendable {
  /// A name of FFmpeg's.
  public var codec = "libx264"
  /// Columns, as it is stored.
  public var width = 32
  /// Rows, as it is stored.
  public var height = 16
  /// FFmpeg's pixel format.
  public var format = "yuv420p"
  /// Whether samples use all of 0...255.
  public var isFullRange = false
  /// The display matrix, nine numbers of 16.16 fixed point.
  public var matrix: [Int32]?
  /// Units of a second in which times are given.
  public var unitsPerSecond = 1000
  /// When frames come on show.
  public var times: [Int64]
  /// When the last one ends.
  public var end: Int64
  /// The level of each frame's samples.
  public var levels: [UInt8]
  /// The level of the first quarter of each frame's first row; nil for that of the others.
  public var mark: UInt8?

  /// What could not be written.
  public struct Failure: Error {
    /// Where.
    public let path: String
  }

  /// A video of frames at some times, each brighter than the one before.
  public init(times: [Int64], end: Int64) {
    (self.times, self.end) = (times, end)
    levels = times.indices.map { UInt8(20 + $0 * 200 / max(1, times.count)) }
  }

  /// A video of a constant rate, a whole number of units for each frame.
  public init(frames: Int, fps: Int) {
    let step = Int64(1000 / fps)
    self.init(times: (0..<frames).map { Int64($0) * step }, end: Int64(frames) * step)
  }

  /// Writes it; the ending of the name says in which container.
  public func write(to url: URL) throws {
    let marks = levels.map { mark ?? $0 }
    let status = codec.withCString { codec in
      format.withCString { format in
        func make(_ matrix: UnsafePointer<Int32>?) -> Int32 {
          epic_make_video(
            url.path,
            EpicMadeVideo(
              codec: codec, width: Int32(width), height: Int32(height), unitNumerator: 1, unitDenominator: Int32(unitsPerSecond),
              format: format, isFullRange: isFullRange ? 1 : 0, matrix: matrix, end: end),
            times, levels, marks, Int32(times.count))
        }
        return matrix.map { $0.withUnsafeBufferPointer { make($0.baseAddress) } } ?? make(nil)
      }
    }
    if status != 1 { throw Failure(path: url.path) }
  }
}
