/// How a picture keeps its own resolution and proportions: both sides become multiples of a number, and the area stays within bounds
/// (Qwen2-VL's `smart_resize`).
public struct NativeResolution: Sendable, Hashable, Encodable {
  /// What both sides are multiples of, in pixels.
  public let multiple: Int
  /// Smallest area, in pixels.
  public let minimumPixels: Int
  /// Largest area, in pixels.
  public let maximumPixels: Int

  /// How many times as long as the other a side may be.
  public static let greatestRatio = 200

  /// Bounds of a resolution.
  public init(multiple: Int, minimumPixels: Int, maximumPixels: Int) {
    (self.multiple, self.minimumPixels, self.maximumPixels) = (multiple, minimumPixels, maximumPixels)
  }

  /// What is wrong with the bounds; nil for nothing.
  public var fault: String? {
    let limit = ImagePreprocessor.maximumImageSize
    if multiple < 1 || multiple > limit { return "gives sides of multiples of \(multiple), expected 1...\(limit)" }
    if minimumPixels < 1 || minimumPixels > maximumPixels {
      return "has areas of \(minimumPixels) to \(maximumPixels) pixels; the smaller one has to be first, and above 0"
    }
    if maximumPixels < multiple * multiple {
      return "has areas of at most \(maximumPixels) pixels, where one token takes \(multiple * multiple)"
    }
    return maximumPixels > limit * limit ? "has areas of \(maximumPixels) pixels, expected at most \(limit * limit)" : nil
  }

  /// No picture has more cells of `multiple`² pixels.
  ///
  /// Of pictures whose sides differ much the shorter one is a cell at least, and small ones are rounded up, so both may leave the bounds.
  public var mostCells: Int {
    let cell = Double(multiple * multiple)
    let (least, most, ratio) = (Double(minimumPixels) / cell, Double(maximumPixels) / cell, Double(Self.greatestRatio))
    let narrow = (ratio * most).squareRoot()
    let grown = ((least / ratio).squareRoot() + 1) * ((least * ratio).squareRoot() + 1)
    return Int(max(most, narrow, grown))
  }

  /// The size that a picture gets.
  ///
  /// Python rounds halves to the even number, and the arithmetic is its.
  public func size(height: Int, width: Int) -> PictureTiling.Size {
    let (h, w, f) = (Double(height), Double(width), Double(multiple))
    func sides(_ side: (Double) -> Double) -> (Int, Int) { (Int(side(h) * f), Int(side(w) * f)) }
    var (rows, columns) = sides { ($0 / f).rounded(.toNearestOrEven) }
    if rows * columns > maximumPixels {
      let shrinking = (h * w / Double(maximumPixels)).squareRoot()
      (rows, columns) = sides { max(1, ($0 / shrinking / f).rounded(.down)) }
    } else if rows * columns < minimumPixels {
      let growing = (Double(minimumPixels) / (h * w)).squareRoot()
      (rows, columns) = sides { ($0 * growing / f).rounded(.up) }
    }
    return PictureTiling.Size(height: rows, width: columns)
  }
}
