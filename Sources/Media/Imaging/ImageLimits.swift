/// How large an image may be before it is refused, checked before anything of its size is allocated.
///
/// A file of a few kilobytes can claim a picture of many gigabytes; these limits turn it into an error.
public struct ImageLimits: Sendable, Hashable {
  /// The most pixels, width times height.
  public var maximumPixels: Int
  /// The most bytes of the encoded file.
  public var maximumBytes: Int
  /// The most pixels along either side, which bounds the work of padding a very narrow image to a square.
  public var maximumSide: Int

  /// Creates limits; those left out are the ``standard`` ones.
  public init(maximumPixels: Int = 1 << 27, maximumBytes: Int = 1 << 28, maximumSide: Int = 65_535) {
    self.maximumPixels = maximumPixels
    self.maximumBytes = maximumBytes
    self.maximumSide = maximumSide
  }

  /// 134 million pixels (400 MB decoded), 256 MiB of file, 65,535 pixels along a side.
  public static let standard = ImageLimits()

  func allow(width: Int, height: Int) -> Bool {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    // Three bytes a pixel must stay countable even where the caller set no real limit.
    return !overflow && pixels <= min(maximumPixels, Int.max / 4) && max(width, height) <= maximumSide
  }
}
