/// How large a video may be before it is refused, checked before anything of its size is allocated.
public struct VideoLimits: Sendable, Hashable {
  /// The most bytes of the file.
  public var maximumBytes: Int
  /// The most pixels of a frame, width times height.
  public var maximumPixels: Int
  /// The most pixels along either side.
  public var maximumSide: Int
  /// The most seconds from the first frame to the end.
  public var maximumSeconds: Double
  /// The most frames of the file, whether they are chosen or not.
  public var maximumFrames: Int

  /// Creates limits; those left out are the ``standard`` ones.
  public init(
    maximumBytes: Int = 1 << 34, maximumPixels: Int = 1 << 26, maximumSide: Int = 16_384, maximumSeconds: Double = 6 * 3600,
    maximumFrames: Int = 1 << 21
  ) {
    self.maximumBytes = maximumBytes
    self.maximumPixels = maximumPixels
    self.maximumSide = maximumSide
    self.maximumSeconds = maximumSeconds
    self.maximumFrames = maximumFrames
  }

  /// 16 GiB, 67 million pixels of a frame (16,384 a side), 6 hours, 2 million frames.
  public static let standard = VideoLimits()
}
