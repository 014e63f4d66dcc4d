/// A picture before it is drawn: two to five objects in nine cells, and a sign over two of them.
public struct Scene: Sendable, Equatable {
  /// Pixels of the picture's side, of a cell's, and of the side of a patch that becomes a visual token.
  public static let side = 96, cellSide = 32, patchSide = 8
  /// Patches in a row or column of the picture.
  public static let patches = side / patchSide

  /// What is in the free cells, in reading order.
  public let objects: [SceneObject]
  /// The plaque.
  public let sign: SceneSign
  let background: Background

  /// What lies behind everything.
  struct Background: Sendable, Equatable {
    /// 8-bit red, green and blue.
    let rgb: [Int]
    /// How much brighter the right and the lower edge are than the middle.
    let horizontal: Int, vertical: Int
    let noiseSeed: UInt64
  }

  /// A random scene: number of objects, places, colours, shapes, sizes and patterns are uniform and independent.
  public init(using generator: inout SceneGenerator) {
    let gray = generator.within(70...150)
    background = Background(
      rgb: (0..<3).map { _ in gray + generator.within(-12...12) }, horizontal: generator.within(-15...15),
      vertical: generator.within(-15...15), noiseSeed: generator.next())
    let cell = Cell(row: generator.below(3), column: generator.below(2))
    let text = String((0..<3).map { _ in Glyph.characters[generator.below(Glyph.characters.count)] })
    let sign = SceneSign(
      cell: cell, text: text, dx: generator.within(-2...2), dy: generator.within(-2...2), gray: 225 + generator.within(-15...15))
    self.sign = sign
    let free = generator.shuffled(Cell.all.filter { !sign.cells.contains($0) })
    let count = generator.within(2...5)
    objects = free.prefix(count).sorted { $0.index < $1.index }.map { cell in
      SceneObject(
        cell: cell, color: ShapeColor.allCases[generator.below(5)], shape: ShapeKind.allCases[generator.below(4)],
        size: ShapeSize.allCases[generator.below(2)], pattern: ShapePattern.allCases[generator.below(2)],
        dx: generator.within(-2...2), dy: generator.within(-2...2), shade: (0..<3).map { _ in generator.within(-18...18) })
    }
  }
}
