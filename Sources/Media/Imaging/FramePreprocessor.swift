import Torch

/// Turns frames of a video into what a vision tower takes, number for number as transformers' video processors do.
///
/// The steps are: bicubic resize with antialiasing, by libtorch on 8-bit samples, centre crop where there is one, and normalise. Pictures
/// go another way (``ImagePreprocessor``), as their processors resize by Pillow's arithmetic, which rounds other levels the other way.
public struct FramePreprocessor: Sendable, Hashable, Encodable {
  /// What size a frame gets.
  public enum Size: Sendable, Hashable, Encodable {
    /// This one, whatever its proportions were.
    case exact(height: Int, width: Int)
    /// The shorter side gets a length, the longer one follows in proportion, and a square is cut out of the middle.
    case cropped(shortestEdge: Int, side: Int)
    /// One by its own size.
    case native(NativeResolution)
  }

  /// What size a frame gets.
  public let size: Size
  /// Subtracted per channel after scaling.
  public let mean: [Double]
  /// Divided by per channel after subtracting.
  public let std: [Double]
  /// What 8-bit samples are multiplied by, 1/255 as a rule; nil for nothing.
  public let rescaleFactor: Double?
  /// False where samples are scaled alone.
  public let normalizes: Bool

  /// A preprocessor of its settings.
  public init(
    size: Size, mean: [Double] = ImagePreprocessor.clipMean, std: [Double] = ImagePreprocessor.clipStd,
    rescaleFactor: Double? = 1 / 255, normalizes: Bool = true
  ) {
    (self.size, self.mean, self.std) = (size, mean, std)
    (self.rescaleFactor, self.normalizes) = (rescaleFactor, normalizes)
  }

  /// What is wrong with the settings, and in which field; nil for nothing.
  package var fault: (field: String, reason: String)? {
    switch size {
    case .native(let resolution): if let fault = resolution.fault { return ("size", fault) }
    case .exact(let height, let width):
      let limit = ImagePreprocessor.maximumImageSize
      if ![height, width].allSatisfy((1...limit).contains) {
        return ("size", "is \(height)x\(width); give sides of 1...\(limit)")
      }
    case .cropped(let edge, let side):
      let limit = ImagePreprocessor.maximumImageSize
      if side < 1 || edge < side || edge > limit {
        return ("size", "is \(edge); give \(side), which is cut out of a frame, to \(limit)")
      }
    }
    if mean.count != 3 || !mean.allSatisfy({ Float($0).isFinite }) {
      return ("image_mean", "is \(mean); give three finite numbers, for red, green and blue")
    }
    if std.count != 3 || !std.allSatisfy({ Float($0).isFinite && Float($0) >= .leastNormalMagnitude }) {
      return ("image_std", "is \(std); give three positive numbers, for red, green and blue")
    }
    if let factor = rescaleFactor, !(factor > 0 && Float(255 * factor).isFinite && Float(1 / factor).isFinite) {
      return ("rescale_factor", "is \(factor); give a number such as 1/255")
    }
    return nil
  }

  /// Height and width of a frame as the encoder is given it.
  public func viewSize(height: Int, width: Int) -> PictureTiling.Size {
    switch size {
    case .exact(let height, let width): PictureTiling.Size(height: height, width: width)
    case .cropped(_, let side): PictureTiling.Size(height: side, width: side)
    case .native(let resolution): resolution.size(height: height, width: width)
    }
  }

  /// Height and width that a frame is resized to, before anything is cut off.
  private func resizedSize(height: Int, width: Int) -> PictureTiling.Size {
    guard case .cropped(let edge, _) = size else { return viewSize(height: height, width: width) }
    return PictureTiling.Size(height: edge * height / min(height, width), width: edge * width / min(height, width))
  }

  /// A frame as the encoder takes it: [3, height, width] float32.
  ///
  /// - Throws: ``ImagingError``, `TorchError`.
  public func callAsFunction(_ frame: RGBImage) throws -> Tensor {
    if let fault { throw ImagingError.configuration(file: "the video processor", field: fault.field, reason: fault.reason) }
    let ratio = NativeResolution.greatestRatio
    switch size {
    case .exact: break
    // The longer side follows, and with it the memory.
    case .cropped, .native:
      if max(frame.width, frame.height) > ratio * min(frame.width, frame.height) {
        throw ImagingError.tooNarrow(width: frame.width, height: frame.height, ratio: ratio)
      }
    }
    let view = viewSize(height: frame.height, width: frame.width)
    let resized = resizedSize(height: frame.height, width: frame.width)
    var levels = try Tensor(frame.pixels, [1, frame.height, frame.width, 3]).permuted([0, 3, 1, 2]).contiguous()
    if resized != PictureTiling.Size(height: frame.height, width: frame.width) {
      levels = try levels.resizedBicubic(resized.height, resized.width, antialias: true)
    }
    if resized != view {
      levels = try levels.narrow(2, from: (resized.height - view.height) / 2, length: view.height)
        .narrow(3, from: (resized.width - view.width) / 2, length: view.width)
    }
    let samples = try levels.selected(0, 0).to(.float32)
    guard normalizes else { return try rescaleFactor.map { try samples * $0 } ?? samples }
    // Scale and constants are brought together in single precision first; the last bits depend on it.
    let scale = Float(1 / (rescaleFactor ?? 1))
    func constants(_ values: [Double]) throws -> Tensor { try Tensor(values.map { Float($0) * scale }, [3, 1, 1]) }
    return try (samples - constants(mean)) / constants(std)
  }

  /// A video of frames as the encoder takes it.
  ///
  /// - Parameters:
  ///   - frames: of one size, one at least.
  ///   - secondsPerFrame: from one to the next.
  /// - Throws: ``ImagingError``, `TorchError`.
  public func video(_ frames: [RGBImage], secondsPerFrame: Double) throws -> PicturePixels {
    try video(frames.map { try self($0) }, height: frames.first?.height ?? 0, width: frames.first?.width ?? 0, secondsPerFrame)
  }

  /// A video of frames that were prepared one by one.
  ///
  /// - Throws: `TorchError` where they differ in shape.
  public func video(_ views: [Tensor], height: Int, width: Int, _ secondsPerFrame: Double) throws -> PicturePixels {
    try PicturePixels(views: stack(views), height: height, width: width, secondsPerFrame: secondsPerFrame)
  }
}
