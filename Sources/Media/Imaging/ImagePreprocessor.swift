import Torch

/// How a picture that is not square becomes one.
public enum ImageAspect: String, Codable, Sendable, CaseIterable {
  /// Padded with the mean colour, as LLaVA's `image_aspect_ratio: pad`; everything stays visible.
  case pad
  /// Shortest side resized, then the centre cropped, as CLIP's own preprocessing does; the ends are cut off.
  case square
}

/// Turns pictures into what CLIP's vision tower takes, number for number as the reference implementation does.
///
/// The steps are: pad (``ImageAspect/pad``), bicubic resize with antialiasing, centre crop, scale to 0...1, normalise.
public struct ImagePreprocessor: Sendable, Hashable, Encodable {
  /// How a picture is resized.
  enum Resize: Sendable, Hashable, Encodable {
    /// The shorter side gets this length, and the longer one follows in proportion.
    case shortestEdge(Int)
    /// Both sides get this length.
    case square(Int)
  }

  /// The mean of CLIP's training pictures, for red, green and blue in 0...1.
  public static let clipMean = [0.48145466, 0.4578275, 0.40821073]
  /// The standard deviation of CLIP's training pictures, for red, green and blue in 0...1.
  public static let clipStd = [0.26862954, 0.26130258, 0.27577711]
  /// The largest usable ``imageSize``; it keeps a wrong setting from asking for all memory.
  public static let maximumImageSize = 8_192

  /// Columns and rows of the result.
  public let imageSize: Int
  /// How a picture that is not square becomes one.
  public var aspect: ImageAspect
  /// Subtracted per channel after scaling.
  public let mean: [Double]
  /// Divided by per channel after subtracting.
  public let std: [Double]
  /// What 8-bit samples are multiplied by, 1/255 as a rule.
  public let rescaleFactor: Double

  /// How a large picture is cut into tiles; nil where it is shown as a whole alone.
  public let tiling: PictureTiling?

  /// How a picture keeps its own resolution; nil where it gets the model's.
  public let resolution: NativeResolution?

  let normalizes: Bool
  let resize: Resize
  let filter: ResamplingFilter
  /// What errors name as the origin of the settings.
  let name: String

  /// All that changes what comes out: equal settings have equal bytes, wherever they were read.
  enum CodingKeys: CodingKey, CaseIterable {
    case imageSize, aspect, mean, std, rescaleFactor, normalizes, resize, filter, tiling, resolution
  }

  /// Creates a preprocessor with CLIP's constants unless others are given.
  ///
  /// Settings that cannot work, such as a size of zero, make every call throw.
  public init(
    imageSize: Int, aspect: ImageAspect = .pad, mean: [Double] = clipMean, std: [Double] = clipStd
  ) {
    self.init(
      imageSize: imageSize, aspect: aspect, mean: mean, std: std, rescaleFactor: 1 / 255, normalizes: true,
      resize: .shortestEdge(imageSize), filter: .bicubic, name: "image preprocessor")
  }

  init(
    imageSize: Int, aspect: ImageAspect, mean: [Double], std: [Double], rescaleFactor: Double, normalizes: Bool,
    resize: Resize, filter: ResamplingFilter, tiling: PictureTiling? = nil,
    resolution: NativeResolution? = nil, name: String
  ) {
    self.resolution = resolution
    self.tiling = tiling
    self.imageSize = imageSize
    self.aspect = aspect
    self.mean = mean
    self.std = std
    self.rescaleFactor = rescaleFactor
    self.normalizes = normalizes
    self.resize = resize
    self.filter = filter
    self.name = name
  }

  /// The same view of a picture with `factor` times as many columns and rows, for people to look at.
  ///
  /// Like any setting that cannot work, a factor that is not positive or makes a side too long lets every call throw.
  public func magnified(by factor: Int) -> ImagePreprocessor {
    func magnified(_ side: Int) -> Int {
      let (product, overflow) = side.multipliedReportingOverflow(by: factor)
      return overflow ? .max : product
    }
    let larger: Resize =
      switch resize {
      case .shortestEdge(let side): .shortestEdge(magnified(side))
      case .square(let side): .square(magnified(side))
      }
    return ImagePreprocessor(
      imageSize: magnified(imageSize), aspect: aspect, mean: mean, std: std, rescaleFactor: rescaleFactor, normalizes: normalizes,
      resize: larger, filter: filter, name: name)
  }

  /// A preprocessor that keeps resolutions.
  public init(_ resolution: NativeResolution, mean: [Double] = clipMean, std: [Double] = clipStd) {
    self.init(
      imageSize: resolution.multiple, aspect: .pad, mean: mean, std: std, rescaleFactor: 1 / 255, normalizes: true,
      resize: .square(resolution.multiple), filter: .bicubic, resolution: resolution, name: "image preprocessor")
  }

  /// A preprocessor of tiles.
  ///
  /// - Parameters:
  ///   - tiling: whose tiles are as large as the tower's pictures.
  ///   - mean: subtracted per channel after scaling.
  ///   - std: divided by per channel after subtracting.
  public init(_ tiling: PictureTiling, mean: [Double] = clipMean, std: [Double] = clipStd) {
    self.init(
      imageSize: tiling.side, aspect: .pad, mean: mean, std: std, rescaleFactor: 1 / 255, normalizes: true,
      resize: .square(tiling.side), filter: .bicubic, tiling: tiling, name: "image preprocessor")
  }

  /// The colour of the padding, 255 · ``mean`` rounded down.
  public var padColor: (r: UInt8, g: UInt8, b: UInt8) {
    func level(_ channel: Int) -> UInt8 {
      guard mean.indices.contains(channel), mean[channel].isFinite else { return 0 }
      return UInt8(max(0, min(255, (255 * mean[channel]).rounded(.down))))
    }
    return (level(0), level(1), level(2))
  }

  /// The picture that the model sees, before its samples are normalised.
  ///
  /// - Returns: A picture of ``imageSize`` by ``imageSize`` pixels.
  /// - Throws: ``ImagingError/configuration(file:field:reason:)`` where the settings cannot work.
  public func resizedPixels(_ image: RGBImage) throws -> RGBImage {
    try validate()
    let canvas = aspect == .pad ? Canvas(squareAround: image, fill: padColor) : Canvas(image)
    let (width, height) = try resizedSize(width: canvas.width, height: canvas.height)
    let left = (width - imageSize) / 2
    let top = (height - imageSize) / 2
    return canvas.resampled(
      width: width, height: height, columns: left..<(left + imageSize), rows: top..<(top + imageSize), filter: filter)
  }

  /// The picture as the model takes it.
  ///
  /// - Returns: [3, imageSize, imageSize] float32 on the CPU.
  /// - Throws: ``ImagingError/configuration(file:field:reason:)`` where the settings cannot work, or `TorchError`.
  public func callAsFunction(_ image: RGBImage) throws -> Tensor {
    try Tensor(normalizedPixels(image), [3, imageSize, imageSize])
  }

  /// The shape of a picture as the encoder is given it.
  ///
  /// - Parameters:
  ///   - height: of the picture, in pixels.
  ///   - width: likewise.
  ///   - isAlone: false where its sample has further pictures.
  public func shape(height: Int, width: Int, isAlone: Bool) -> PictureShape {
    if let size = resolution?.size(height: height, width: width) {
      return PictureShape(height: height, width: width, views: 1, viewHeight: size.height, viewWidth: size.width)
    }
    let views = tiling?.views(height: height, width: width, isAlone: isAlone) ?? 1
    return PictureShape(height: height, width: width, views: views, viewHeight: imageSize, viewWidth: imageSize)
  }

  /// The picture as the encoder takes it: the whole, and its tiles where there are such.
  ///
  /// A picture that has tiles is squashed into a square as a whole, as nothing is lost by that; one without is padded.
  ///
  /// - Parameter isAlone: false where its sample has further pictures.
  /// - Throws: as `callAsFunction`.
  public func views(_ image: RGBImage, isAlone: Bool) throws -> PicturePixels {
    try validate()
    let shape = shape(height: image.height, width: image.width, isAlone: isAlone)
    var values: [Float]
    if resolution != nil {
      if max(image.width, image.height) > NativeResolution.greatestRatio * min(image.width, image.height) {
        throw ImagingError.tooNarrow(width: image.width, height: image.height, ratio: NativeResolution.greatestRatio)
      }
      values = normalized(
        Canvas(image).resampled(
          width: shape.viewWidth, height: shape.viewHeight, columns: 0..<shape.viewWidth, rows: 0..<shape.viewHeight,
          filter: filter))
    } else if let tiling, shape.views > 1 {
      let whole = Canvas(image).resampled(
        width: imageSize, height: imageSize, columns: 0..<imageSize, rows: 0..<imageSize, filter: filter)
      values = normalized(whole)
      for tile in tiling.cut(image, filter: filter) { values += normalized(tile) }
    } else {
      values = try normalizedPixels(image)
    }
    return try PicturePixels(
      views: Tensor(values, [shape.views, 3, shape.viewHeight, shape.viewWidth]), height: image.height, width: image.width)
  }

  /// The normalised samples, [3, imageSize, imageSize] in row-major order.
  package func normalizedPixels(_ image: RGBImage) throws -> [Float] { try normalized(resizedPixels(image)) }

  /// The normalised samples of a picture of any size, channel after channel.
  private func normalized(_ image: RGBImage) -> [Float] {
    let pixels = image.pixels
    let area = image.width * image.height
    let tables = (0..<3).map(normalizedLevels(channel:))
    return [Float](unsafeUninitializedCapacity: 3 * area) { room, initialized in
      pixels.withUnsafeBufferPointer { pixels in
        for channel in 0..<3 {
          tables[channel].withUnsafeBufferPointer { table in
            for i in 0..<area { room[channel * area + i] = table[Int(pixels[3 * i + channel])] }
          }
        }
      }
      initialized = 3 * area
    }
  }

  /// What each of the 256 levels of a channel becomes.
  ///
  /// Scaling in double and the rest in single precision is what the reference does; the last bits depend on it.
  private func normalizedLevels(channel: Int) -> [Float] {
    let scaled = (0...255).map { Float(Double($0) * rescaleFactor) }
    return normalizes ? scaled.map { ($0 - Float(mean[channel])) / Float(std[channel]) } : scaled
  }

  private func resizedSize(width: Int, height: Int) throws -> (width: Int, height: Int) {
    switch resize {
    case .square(let side): return (side, side)
    case .shortestEdge(let side):
      let (product, overflow) = side.multipliedReportingOverflow(by: max(width, height))
      if overflow { throw configurationError("size", "is too large; give the size that the model uses") }
      let long = product / min(width, height)
      return width <= height ? (side, long) : (long, side)
    }
  }

  func validate() throws {
    let resized =
      switch resize {
      case .shortestEdge(let side), .square(let side): side
      }
    if imageSize < 1 || imageSize > Self.maximumImageSize {
      throw configurationError("the image size", "is \(imageSize); give the model's size, 1 to \(Self.maximumImageSize) pixels")
    }
    if let fault = resolution?.fault { throw configurationError("size", fault) }
    if let tiling {
      if let fault = tiling.fault { throw configurationError("image_grid_pinpoints", fault) }
      if tiling.side != imageSize || resized != imageSize {
        throw configurationError("size", "is \(resized) where tiles of \(imageSize) pixels are cut; give both the same size")
      }
    }
    if resized < imageSize || resized > Self.maximumImageSize {
      throw configurationError(
        "size", "is \(resized) but must lie between the crop size \(imageSize) and \(Self.maximumImageSize); correct one of them")
    }
    // In single precision, in which the steps are taken.
    if mean.count != 3 || !mean.allSatisfy({ Float($0).isFinite }) {
      throw configurationError("image_mean", "is \(mean); give three finite numbers, for red, green and blue")
    }
    if std.count != 3 || !std.allSatisfy({ Float($0).isFinite && Float($0) >= .leastNormalMagnitude }) {
      throw configurationError("image_std", "is \(std); give three positive numbers, for red, green and blue")
    }
    if !Float(255 * rescaleFactor).isFinite {
      throw configurationError("rescale_factor", "is \(rescaleFactor); give a finite number such as 1/255")
    }
  }

  private func configurationError(_ field: String, _ reason: String) -> ImagingError {
    .configuration(file: name, field: field, reason: reason)
  }
}
