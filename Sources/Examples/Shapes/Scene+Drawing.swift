import Imaging

extension Scene {
  /// Points in each direction that a pixel's coverage is sampled at.
  private static let samples = 3

  /// The picture, 96 by 96 pixels; the same bytes on every machine, as nothing but the four operations and integers is used.
  ///
  /// - Throws: `ImagingError`, which a scene gives no reason for.
  public func draw() throws -> RGBImage {
    var canvas = [Double](repeating: 0, count: Self.side * Self.side * 3)
    paintBackground(&canvas)
    paintSign(&canvas)
    for object in objects { paint(object, &canvas) }
    addNoise(&canvas)
    let pixels = canvas.map { UInt8(min(255, max(0, $0.rounded()))) }
    return try RGBImage(width: Self.side, height: Self.side, pixels: pixels)
  }

  /// The box of the sign's plaque.
  var plaque: (x: Int, y: Int, width: Int, height: Int) {
    (sign.cell.column * Self.cellSide + 2 + sign.dx, sign.cell.row * Self.cellSide + 3 + sign.dy, 60, 27)
  }

  /// The box of one of the sign's characters, 0...2.
  func glyphBox(_ index: Int) -> (x: Int, y: Int, width: Int, height: Int) {
    (plaque.x + 3 + 19 * index, plaque.y + 3, Glyph.columns * 3, Glyph.rows * 3)
  }

  private func paintBackground(_ canvas: inout [Double]) {
    let half = Double(Self.side - 1) / 2
    for y in 0..<Self.side {
      for x in 0..<Self.side {
        let ramp =
          (Double(x) - half) / half * Double(background.horizontal) + (Double(y) - half) / half * Double(background.vertical)
        for channel in 0..<3 { canvas[(y * Self.side + x) * 3 + channel] = Double(background.rgb[channel]) + ramp }
      }
    }
  }

  private func paintSign(_ canvas: inout [Double]) {
    func fill(_ x: Int, _ y: Int, _ gray: Int) {
      guard (0..<Self.side).contains(x), (0..<Self.side).contains(y) else { return }
      for channel in 0..<3 { canvas[(y * Self.side + x) * 3 + channel] = Double(gray) }
    }
    for y in 0..<plaque.height {
      for x in 0..<plaque.width { fill(plaque.x + x, plaque.y + y, sign.gray) }
    }
    for (index, character) in sign.text.enumerated() {
      guard let glyph = Glyph.characters.firstIndex(of: character) else { continue }
      let box = glyphBox(index)
      for y in 0..<box.height {
        for x in 0..<box.width where Glyph.hasDot(glyph, row: y / 3, column: x / 3) { fill(box.x + x, box.y + y, 25) }
      }
    }
  }

  private func paint(_ object: SceneObject, _ canvas: inout [Double]) {
    let (left, top) = (object.cell.column * Self.cellSide, object.cell.row * Self.cellSide)
    let middle = Double(Self.cellSide) / 2
    let color = zip(object.color.rgb, object.shade).map { Double($0 + $1) }
    for y in 0..<Self.cellSide {
      for x in 0..<Self.cellSide {
        var covered = 0
        for sy in 0..<Self.samples {
          for sx in 0..<Self.samples {
            let px = Double(x) + (Double(sx) + 0.5) / Double(Self.samples) - middle - Double(object.dx)
            let py = Double(y) + (Double(sy) + 0.5) / Double(Self.samples) - middle - Double(object.dy)
            if object.shape.covers(px, py, r: object.size.radius) { covered += 1 }
          }
        }
        if covered == 0 { continue }
        let coverage = Double(covered) / Double(Self.samples * Self.samples)
        let factor = object.pattern == .striped && x / 4 % 2 == 1 ? 0.38 : 1
        for channel in 0..<3 {
          let place = ((top + y) * Self.side + left + x) * 3 + channel
          canvas[place] = canvas[place] * (1 - coverage) + min(255, max(0, color[channel])) * factor * coverage
        }
      }
    }
  }

  /// Noise of deviation 7, the same in all channels: sums of four uniform bytes, whose deviation is 147.8.
  private func addNoise(_ canvas: inout [Double]) {
    var generator = SceneGenerator(seed: background.noiseSeed)
    for pixel in stride(from: 0, to: Self.side * Self.side, by: 2) {
      let bits = generator.next()
      for (index, word) in [bits & 0xffff_ffff, bits >> 32].enumerated() {
        let sum = (word & 0xff) + (word >> 8 & 0xff) + (word >> 16 & 0xff) + (word >> 24 & 0xff)
        let noise = (Double(sum) - 510) * (7 / 147.8)
        for channel in 0..<3 { canvas[(pixel + index) * 3 + channel] += noise }
      }
    }
  }
}
