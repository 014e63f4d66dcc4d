/// A picture of 8-bit red, green and blue samples.
public struct RGBImage: Sendable, Equatable {
  /// Columns, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// The samples, [height, width, 3] in row-major order.
  public let pixels: [UInt8]

  /// Creates a picture from its samples.
  ///
  /// - Parameter pixels: [height, width, 3] in row-major order.
  /// - Throws: ``ImagingError/wrongPixelCount(width:height:found:)`` where the count is not 3 · width · height or is zero.
  public init(width: Int, height: Int, pixels: [UInt8]) throws {
    let (area, tooWide) = width.multipliedReportingOverflow(by: height)
    let (count, tooMany) = area.multipliedReportingOverflow(by: 3)
    guard width > 0, height > 0, !tooWide, !tooMany, count == pixels.count else {
      throw ImagingError.wrongPixelCount(width: width, height: height, found: pixels.count)
    }
    self.init(uncheckedWidth: width, height: height, pixels: pixels)
  }

  /// Creates a picture whose samples are known to fit.
  init(uncheckedWidth width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// The picture in another size, by cubic splines over all pixels that a new one covers.
  ///
  /// - Parameters:
  ///   - width: 1 or more.
  ///   - height: 1 or more.
  public func resized(width: Int, height: Int) -> RGBImage {
    Canvas(self).resampled(width: width, height: height, columns: 0..<width, rows: 0..<height, filter: .bicubic)
  }

  /// The picture in the middle of the smallest square that holds it; a square picture is returned as it is.
  ///
  /// Where the margins cannot be equal, the top or left one is a pixel narrower, as in the original LLaVA.
  /// The square is really made, which for a very narrow picture takes far more memory than the picture; ``ImagePreprocessor``
  /// pads without making it.
  public func paddedToSquare(with color: (r: UInt8, g: UInt8, b: UInt8)) -> RGBImage {
    Canvas(squareAround: self, fill: color).flattened()
  }
}

/// A picture on a canvas of one colour, without the memory of the canvas.
///
/// Padding a panorama to a square can multiply its size by hundreds; resampling reads rows of the canvas one at a time.
struct Canvas {
  let image: RGBImage
  let width: Int
  let height: Int
  let left: Int
  let top: Int
  let fill: (r: UInt8, g: UInt8, b: UInt8)

  /// The picture alone.
  init(_ image: RGBImage) {
    self.image = image
    (width, height, left, top, fill) = (image.width, image.height, 0, 0, (0, 0, 0))
  }

  /// The picture in the middle of a square.
  init(squareAround image: RGBImage, fill: (r: UInt8, g: UInt8, b: UInt8)) {
    self.image = image
    self.fill = fill
    let side = max(image.width, image.height)
    (width, height) = (side, side)
    (left, top) = ((side - image.width) / 2, (side - image.height) / 2)
  }

  /// Whether row `y` shows a part of the picture.
  func hasPicture(row y: Int) -> Bool { y >= top && y < top + image.height }

  /// A row of nothing but the fill colour.
  func emptyRow() -> [UInt8] {
    var row = [UInt8](repeating: fill.r, count: width * 3)
    for x in 0..<width {
      row[3 * x + 1] = fill.g
      row[3 * x + 2] = fill.b
    }
    return row
  }

  func flattened() -> RGBImage {
    if width == image.width && height == image.height { return image }
    let empty = emptyRow()
    var pixels = [UInt8]()
    pixels.reserveCapacity(width * height * 3)
    for y in 0..<height {
      if hasPicture(row: y) {
        pixels += empty.prefix(left * 3)
        pixels += image.pixels[((y - top) * image.width * 3)..<((y - top + 1) * image.width * 3)]
        pixels += empty.suffix((width - image.width - left) * 3)
      } else {
        pixels += empty
      }
    }
    return RGBImage(uncheckedWidth: width, height: height, pixels: pixels)
  }
}
