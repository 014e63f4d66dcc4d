import Imaging

/// A square picture while it is painted; the same bytes on every machine, as nothing but the four operations and integers is used.
struct Canvas {
  /// Points in each direction that a pixel's coverage is sampled at.
  private static let samples = 3

  /// Pixels of a side.
  let side: Int
  /// Red, green and blue of each pixel, row by row; they may lie outside of 0...255 until the end.
  private var values: [Double]

  /// A picture of its background.
  init(side: Int, _ background: Scene.Background) {
    self.side = side
    values = [Double](repeating: 0, count: side * side * 3)
    let half = Double(side - 1) / 2
    for y in 0..<side {
      for x in 0..<side {
        let ramp =
          (Double(x) - half) / half * Double(background.horizontal) + (Double(y) - half) / half * Double(background.vertical)
        for channel in 0..<3 { values[(y * side + x) * 3 + channel] = Double(background.rgb[channel]) + ramp }
      }
    }
  }

  /// A box of one gray; what lies outside of the picture is left out.
  mutating func fill(x: Int, y: Int, width: Int, height: Int, gray: Int) {
    for row in max(0, y)..<max(0, y, min(side, y + height)) {
      for column in max(0, x)..<max(0, x, min(side, x + width)) {
        for channel in 0..<3 { values[(row * side + column) * 3 + channel] = Double(gray) }
      }
    }
  }

  /// A character, each of its dots a square of so many pixels.
  mutating func paint(glyph: Int, x: Int, y: Int, dot: Int) {
    for row in 0..<Glyph.rows {
      for column in 0..<Glyph.columns where Glyph.hasDot(glyph, row: row, column: column) {
        fill(x: x + column * dot, y: y + row * dot, width: dot, height: dot, gray: 25)
      }
    }
  }

  /// A shape in a square box.
  ///
  /// - Parameters:
  ///   - box: its upper left corner and its side.
  ///   - dx: how far the shape's middle is from the box's, in pixels.
  ///   - isStriped: every other four columns are darker.
  mutating func paint(
    _ shape: ShapeKind, radius: Double, rgb: [Int], in box: (x: Int, y: Int, side: Int), dx: Int, dy: Int, isStriped: Bool = false
  ) {
    let middle = Double(box.side) / 2
    for y in 0..<box.side {
      for x in 0..<box.side {
        var covered = 0
        for sy in 0..<Self.samples {
          for sx in 0..<Self.samples {
            let px = Double(x) + (Double(sx) + 0.5) / Double(Self.samples) - middle - Double(dx)
            let py = Double(y) + (Double(sy) + 0.5) / Double(Self.samples) - middle - Double(dy)
            if shape.covers(px, py, r: radius) { covered += 1 }
          }
        }
        if covered == 0 { continue }
        let coverage = Double(covered) / Double(Self.samples * Self.samples)
        let factor = isStriped && x / 4 % 2 == 1 ? 0.38 : 1
        for channel in 0..<3 {
          let place = ((box.y + y) * side + box.x + x) * 3 + channel
          values[place] = values[place] * (1 - coverage) + min(255, max(0, Double(rgb[channel]))) * factor * coverage
        }
      }
    }
  }

  /// Noise of deviation 7, the same in all channels: sums of four uniform bytes, whose deviation is 147.8.
  mutating func addNoise(seed: UInt64) {
    var generator = SceneGenerator(seed: seed)
    for pixel in stride(from: 0, to: side * side, by: 2) {
      let bits = generator.next()
      for (index, word) in [bits & 0xffff_ffff, bits >> 32].enumerated() {
        let sum = (word & 0xff) + (word >> 8 & 0xff) + (word >> 16 & 0xff) + (word >> 24 & 0xff)
        let noise = (Double(sum) - 510) * (7 / 147.8)
        for channel in 0..<3 { values[(pixel + index) * 3 + channel] += noise }
      }
    }
  }

  /// The picture in 8 bits.
  ///
  /// - Throws: `ImagingError`, which a picture of this size gives no reason for.
  func image() throws -> RGBImage {
    try RGBImage(width: side, height: side, pixels: values.map { UInt8(min(255, max(0, $0.rounded()))) })
  }
}
