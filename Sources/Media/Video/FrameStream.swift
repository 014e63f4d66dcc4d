import Foundation
import Imaging

/// The frames of a video as it comes, so many a second, until it ends: of a file, or of a pipe whose end nobody knows.
///
/// Frame k is the one on show at k / fps seconds from the first, as ``FrameSampling`` chooses of a whole file. Each is handed over once the
/// next one of the video is known; the last one is taken to be on show as long as the one before it.
///
///     let stream = try FrameStream(contentsOf: url, fps: 2)
///     while let frame = try stream.next() { … }
public final class FrameStream {
  /// Columns of a frame, upright.
  public let width: Int
  /// Rows of a frame, upright.
  public let height: Int
  /// Frames of a second.
  public let fps: Double

  private let video: OpenVideo
  /// When the frame on show and the one before it came, and the one that follows if it is decoded.
  private var shown: Double?
  private var before: Double?
  private var following: Double?
  private var hasEnded = false
  private var count = 0
  /// The picture of the frame on show.
  private var picture: RGBImage?

  /// Opens a file, without looking for its end.
  ///
  /// - Parameters:
  ///   - url: a regular file.
  ///   - fps: frames of a second, above 0 and 1000 at most.
  /// - Throws: ``VideoError``, naming the file.
  public convenience init(contentsOf url: URL, fps: Double, limits: VideoLimits = .standard) throws {
    try self.init(Source.file(url, limits), name: url.relativePath, fps, limits)
  }

  /// Opens a pipe, which stays the caller's and is read to its end.
  ///
  /// The container must be one that can be read without going back: Matroska, WebM, MPEG-TS, or fragmented MP4.
  /// - Parameters:
  ///   - name: what errors call it.
  ///   - fps: as the other.
  /// - Throws: ``VideoError``, naming `name`.
  public convenience init(pipe: FileHandle, name: String, fps: Double, limits: VideoLimits = .standard) throws {
    try self.init(Source(pipe: pipe), name: name, fps, limits)
  }

  private init(_ source: Source, name: String, _ fps: Double, _ limits: VideoLimits) throws {
    if let fault = FrameSampling(fps: fps).fault { throw VideoError.sampling(reason: fault) }
    video = try OpenVideo(source, name: name, limits, isStream: true)
    (self.fps, width, height) = (fps, video.width, video.height)
    guard let first = try video.decode() else { throw VideoError.noFrames(file: name) }
    shown = first
  }

  /// The next frame that is wanted.
  ///
  /// - Parameter isWanted: is asked for each frame by its time; others are counted, and their pictures are not made.
  /// - Returns: nil behind the last one.
  /// - Throws: ``VideoError`` for content that is cut short or corrupt.
  public func next(where isWanted: (_ time: Double) -> Bool = { _ in true }) throws -> VideoFrame? {
    // Times are numbers of units that no double holds exactly.
    let slack = 1e-6
    while let shown {
      let moment = Double(count) / fps
      if following == nil, !hasEnded {
        following = try video.decode()
        hasEnded = following == nil
      }
      // The last frame ends where the usual one would.
      let end = following ?? shown + max(shown - (before ?? shown), before == nil ? slack * 2 : 0)
      if moment + slack < end {
        count += 1
        guard isWanted(moment) else { continue }
        let image = try picture ?? video.convert()
        picture = image
        return VideoFrame(time: moment, shownAt: shown, image: image)
      }
      picture = nil
      before = shown
      self.shown = following
      following = nil
    }
    return nil
  }
}
