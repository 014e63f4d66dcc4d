import Torch

/// What the tokens of a picture follow from, known before any pixel is touched.
public struct PictureShape: Sendable, Hashable {
  /// Height of the picture as it was read, in pixels.
  public var height: Int
  /// Width of the picture as it was read, in pixels.
  public var width: Int
  /// How many views of it the encoder is given: the whole, and tiles where there are such; of a video its frames.
  public var views: Int
  /// Height of a view, in pixels.
  public var viewHeight: Int
  /// Width of a view, in pixels.
  public var viewWidth: Int
  /// Of a video, from one of its frames to the next, in seconds; nil for a picture.
  public var secondsPerFrame: Double?

  /// A shape of its parts.
  public init(height: Int, width: Int, views: Int, viewHeight: Int, viewWidth: Int, secondsPerFrame: Double? = nil) {
    (self.height, self.width, self.views) = (height, width, views)
    (self.viewHeight, self.viewWidth) = (viewHeight, viewWidth)
    self.secondsPerFrame = secondsPerFrame
  }

  /// True for a video, whose views are its frames.
  public var isVideo: Bool { secondsPerFrame != nil }

  /// A picture that the encoder is given as it is.
  public init(height: Int, width: Int) { self.init(height: height, width: width, views: 1, viewHeight: height, viewWidth: width) }
}

/// A picture as an encoder takes it, or a video.
public struct PicturePixels: Sendable {
  /// [views, channels, height, width] float32.
  public var views: Tensor
  /// What its tokens follow from.
  public let shape: PictureShape

  /// A picture of its views.
  ///
  /// - Parameters:
  ///   - height: of the picture as it was read, in pixels.
  ///   - width: likewise.
  ///   - secondsPerFrame: of a video, whose frames the views are.
  /// - Throws: `TorchError.shapeMismatch` unless `views` has four dimensions.
  public init(views: Tensor, height: Int, width: Int, secondsPerFrame: Double? = nil) throws {
    try views.requireShape([nil, nil, nil, nil], "a picture's views")
    self.views = views
    shape = PictureShape(
      height: height, width: width, views: views.size(0), viewHeight: views.size(2), viewWidth: views.size(3),
      secondsPerFrame: secondsPerFrame)
  }

  /// A picture of one view, [channels, height, width], of which nothing else is known.
  ///
  /// - Throws: as the other.
  public init(_ view: Tensor) throws {
    try self.init(views: view.unsqueezed(0), height: view.size(-2), width: view.size(-1))
  }

  /// The picture on a device.
  public func moved(to device: Device) throws -> PicturePixels {
    var moved = self
    moved.views = try views.to(device)
    return moved
  }

  /// Pictures of one view each, [pictures, channels, height, width], of which nothing else is known; none for nil.
  ///
  /// - Throws: as the others.
  public static func each(_ pixels: Tensor?) throws -> [PicturePixels] {
    guard let pixels else { return [] }
    try pixels.requireShape([nil, nil, nil, nil], "image pixels")
    return try (0..<pixels.size(0)).map { try PicturePixels(pixels.selected(0, $0)) }
  }
}
