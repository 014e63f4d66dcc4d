/// Which frames of a video are looked at: so many a second, evenly over all of it, and no more than some.
///
/// 1. There are ⌊seconds · ``fps``⌋ frames, ``minimumFrames`` at least, ``maximumFrames`` and as many as the video has at most, and a
///    multiple of ``multiple`` where that leaves any.
/// 2. Frame k of n is the one on show at k / n of the video's length. Where all frames are shown equally long it is number ⌊k · N / n⌋ of
///    N, as transformers' video processors choose; where they are not, the time decides, not the number.
public struct FrameSampling: Sendable, Hashable, Codable {
  /// Frames of a second.
  public var fps: Double
  /// Most frames.
  public var maximumFrames: Int
  /// Fewest frames, of a video that has as many.
  public var minimumFrames: Int
  /// The number of frames is a multiple of this.
  public var multiple: Int

  /// Frames of a second unless others are asked for.
  public static let standardFPS = 2.0
  /// Most frames unless others are asked for.
  public static let standardMaximum = 32
  /// No more frames than this can be asked for.
  public static let limit = 4096

  /// A rule of its numbers.
  public init(fps: Double = standardFPS, maximumFrames: Int = standardMaximum, minimumFrames: Int = 1, multiple: Int = 1) {
    self.fps = fps
    self.maximumFrames = maximumFrames
    self.minimumFrames = minimumFrames
    self.multiple = multiple
  }

  /// What is wrong with the numbers; nil for nothing.
  public var fault: String? {
    if !(fps > 0 && fps <= 1000) { return "the frames per second are \(fps), expected a number above 0, 1000 at most" }
    return (1...Self.limit).contains(maximumFrames)
      ? nil : "the number of frames is at most \(maximumFrames), expected 1...\(Self.limit)"
  }

  /// How many frames are chosen.
  ///
  /// - Parameters:
  ///   - frames: of the video, 1 at least.
  ///   - seconds: of the video.
  public func count(frames: Int, seconds: Double) -> Int {
    func whole(_ count: Int) -> Int { max(1, count < multiple ? count : count / multiple * multiple) }
    let most = whole(min(frames, max(1, min(maximumFrames, Self.limit))))
    // A last bit of the product must not cost a frame.
    let wanted = min(Double(most), max(seconds * fps, 0) + 1e-6)
    return min(most, whole(max(wanted.isFinite ? Int(wanted) : most, minimumFrames)))
  }

  /// When the chosen frames are on show, in seconds from the video's beginning.
  public func times(frames: Int, seconds: Double) -> [Double] {
    let count = count(frames: frames, seconds: seconds)
    return (0..<count).map { Double($0) * seconds / Double(count) }
  }
}
