import Imaging

extension Scene {
  /// The picture, 96 by 96 pixels; the same bytes on every machine.
  ///
  /// - Throws: `ImagingError`, which a scene gives no reason for.
  public func draw() throws -> RGBImage {
    var canvas = Canvas(side: Self.side, background)
    canvas.fill(x: plaque.x, y: plaque.y, width: plaque.width, height: plaque.height, gray: sign.gray)
    for (index, character) in sign.text.enumerated() {
      guard let glyph = Glyph.characters.firstIndex(of: character) else { continue }
      canvas.paint(glyph: glyph, x: glyphBox(index).x, y: glyphBox(index).y, dot: 3)
    }
    for object in objects {
      let box = (object.cell.column * Self.cellSide, object.cell.row * Self.cellSide, Self.cellSide)
      canvas.paint(
        object.shape, radius: object.size.radius, rgb: zip(object.color.rgb, object.shade).map { $0 + $1 }, in: box,
        dx: object.dx, dy: object.dy, isStriped: object.pattern == .striped)
    }
    canvas.addNoise(seed: background.noiseSeed)
    return try canvas.image()
  }

  /// The box of the sign's plaque.
  var plaque: (x: Int, y: Int, width: Int, height: Int) {
    (sign.cell.column * Self.cellSide + 2 + sign.dx, sign.cell.row * Self.cellSide + 3 + sign.dy, 60, 27)
  }

  /// The box of one of the sign's characters, 0...2.
  func glyphBox(_ index: Int) -> (x: Int, y: Int, width: Int, height: Int) {
    (plaque.x + 3 + 19 * index, plaque.y + 3, Glyph.columns * 3, Glyph.rows * 3)
  }
}
