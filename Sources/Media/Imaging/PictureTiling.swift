import Foundation

/// How a large picture is shown to a tower of one size: as a whole, and cut into tiles of that size ("anyres" of LLaVA-NeXT).
public struct PictureTiling: Sendable, Hashable, Encodable {
  /// Height and width in pixels.
  public struct Size: Sendable, Hashable, Encodable {
    /// Rows of pixels.
    public let height: Int
    /// Columns of pixels.
    public let width: Int

    /// A size of its parts.
    public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }
  }

  /// The canvases that a picture may be laid on; the tower's side divides all of their sides.
  public let canvases: [Size]
  /// Side of a tile, in pixels.
  public let side: Int
  /// Pictures that are not the only one of their sample are shown as a whole alone.
  public let onlyAlone: Bool

  /// A tiling of its parts.
  public init(canvases: [Size], side: Int, onlyAlone: Bool) {
    (self.canvases, self.side, self.onlyAlone) = (canvases, side, onlyAlone)
  }

  /// What is wrong with the canvases; nil for nothing.
  public var fault: String? {
    let limit = ImagePreprocessor.maximumImageSize
    if canvases.isEmpty { return "names no size; give pairs of height and width" }
    if side < 1 { return "cannot be cut into tiles of \(side) pixels" }
    let wrong = canvases.first { size in
      [size.height, size.width].contains { $0 < side || $0 > limit || $0 % side != 0 }
    }
    return wrong.map { "has \($0.height) x \($0.width), expected multiples of the tower's \(side) pixels, at most \(limit)" }
  }

  /// The canvas for a picture: the one that shows the most of its pixels, and of these the one with the least of its own left over.
  ///
  /// The arithmetic is transformers', whose products of floating-point numbers decide between canvases that fit alike.
  public func canvas(height: Int, width: Int) -> Size {
    var best: (size: Size, shown: Int, wasted: Int)?
    for size in canvases {
      let scale = min(Double(size.width) / Double(width), Double(size.height) / Double(height))
      let scaled = Int(Double(width) * scale) * Int(Double(height) * scale)
      let shown = min(scaled, width * height)
      let wasted = size.width * size.height - shown
      let isBetter = best.map { shown > $0.shown || shown == $0.shown && wasted < $0.wasted } ?? true
      if isBetter { best = (size, shown, wasted) }
    }
    return best?.size ?? Size(height: side, width: side)
  }

  /// Views of a picture: the whole, and its tiles where it has such.
  public func views(height: Int, width: Int, isAlone: Bool) -> Int {
    if onlyAlone, !isAlone { return 1 }
    let (rows, columns) = tiles(of: canvas(height: height, width: width))
    return 1 + rows * columns
  }

  /// Tiles of a canvas, down and across.
  public func tiles(of canvas: Size) -> (rows: Int, columns: Int) { (canvas.height / side, canvas.width / side) }

  /// The size of a picture on a canvas: as large as fits, in its own proportions.
  func fitted(height: Int, width: Int, on canvas: Size) -> Size {
    let across = Double(canvas.width) / Double(width)
    let down = Double(canvas.height) / Double(height)
    if across < down {
      return Size(height: max(1, min(Int((Double(height) * across).rounded(.up)), canvas.height)), width: canvas.width)
    }
    return Size(height: canvas.height, width: max(1, min(Int((Double(width) * down).rounded(.up)), canvas.width)))
  }

  /// The tiles of a picture, row after row: the picture in the middle of a black canvas.
  func cut(_ image: RGBImage, filter: ResamplingFilter) -> [RGBImage] {
    let canvas = canvas(height: image.height, width: image.width)
    let size = fitted(height: image.height, width: image.width, on: canvas)
    let resized = Canvas(image).resampled(
      width: size.width, height: size.height, columns: 0..<size.width, rows: 0..<size.height, filter: filter)
    let (top, left) = ((canvas.height - size.height) / 2, (canvas.width - size.width) / 2)
    let (rows, columns) = tiles(of: canvas)
    return (0..<rows * columns).map { tile in
      let (firstRow, firstColumn) = (tile / columns * side, tile % columns * side)
      var pixels = [UInt8](repeating: 0, count: 3 * side * side)
      let shown = max(firstColumn, left)..<max(firstColumn, left, min(firstColumn + side, left + size.width))
      for row in 0..<side {
        let source = firstRow + row - top
        guard (0..<size.height).contains(source), !shown.isEmpty else { continue }
        let from = 3 * (source * size.width + shown.lowerBound - left)
        let to = 3 * (row * side + shown.lowerBound - firstColumn)
        pixels.replaceSubrange(to..<to + 3 * shown.count, with: resized.pixels[from..<from + 3 * shown.count])
      }
      return RGBImage(uncheckedWidth: side, height: side, pixels: pixels)
    }
  }
}
