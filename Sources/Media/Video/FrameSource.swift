/// Frames in the order of time, read at the moments that are asked for: a video file, or a folder of pictures.
public protocol FrameSource {
  /// Columns of a frame, upright.
  var width: Int { get }
  /// Rows of a frame, upright.
  var height: Int { get }
  /// From the first frame's beginning to the last one's end, in seconds.
  var seconds: Double { get }
  /// When each frame comes on show, ascending, in seconds from the first; one at least.
  var times: [Double] { get }
  /// What errors call it.
  var name: String { get }

  /// The frames on show at some times, one after the other.
  ///
  /// - Parameters:
  ///   - moments: ascending, in seconds from the beginning.
  ///   - receive: is given each frame; what it throws ends the reading.
  /// - Throws: ``VideoError``; `ImagingError` for a picture of a folder.
  func frames(at moments: [Double], _ receive: (VideoFrame) throws -> Void) throws
}

extension VideoReader: FrameSource {}

extension FrameSource {
  /// When the frames that a rule chooses are on show, and how many seconds the rule is about.
  ///
  /// A clip is taken for a video of its own: the rule's frames lie evenly over it, and there are as many frames as are on show in it. What
  /// lies outside of the video is cut off.
  ///
  /// - Parameter clip: from when to when, in seconds from the beginning; nil for all of it.
  /// - Throws: ``VideoError``: numbers that make no sense, or a clip that lies outside of the video altogether.
  public func moments(
    _ sampling: FrameSampling, in clip: ClosedRange<Double>? = nil
  ) throws -> (times: [Double], seconds: Double) {
    if let fault = sampling.fault { throw VideoError.sampling(reason: fault) }
    guard let clip else { return (sampling.times(frames: times.count, seconds: seconds), seconds) }
    let (start, end) = (max(0, clip.lowerBound), min(seconds, clip.upperBound))
    guard start < seconds, start <= end else { throw VideoError.outside(file: name, clip: clip, seconds: seconds) }
    // Times are numbers of units that no double holds exactly.
    let slack = 1e-6
    let frames = 1 + times.count { $0 > start + slack && $0 < end - slack }
    return (sampling.times(frames: frames, seconds: end - start).map { start + $0 }, end - start)
  }

  /// The chosen frames, one after the other; of a file for one reading of it, so they can be asked for once.
  ///
  /// - Parameters:
  ///   - clip: as in ``moments(_:in:)``.
  ///   - receive: is given each frame; what it throws ends the reading.
  /// - Throws: as ``moments(_:in:)`` and ``frames(at:_:)``.
  public func frames(
    _ sampling: FrameSampling, in clip: ClosedRange<Double>? = nil, _ receive: (VideoFrame) throws -> Void
  ) throws {
    try frames(at: moments(sampling, in: clip).times, receive)
  }
}
