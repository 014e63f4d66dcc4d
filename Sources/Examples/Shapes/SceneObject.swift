/// The colours of objects.
public enum ShapeColor: String, Sendable, CaseIterable {
  /// The names are the words of questions and answers.
  case red, green, blue, yellow, purple

  /// 8-bit red, green and blue before each object's own shade.
  var rgb: [Int] {
    switch self {
    case .red: [220, 40, 40]
    case .green: [40, 180, 60]
    case .blue: [50, 80, 230]
    case .yellow: [235, 215, 50]
    case .purple: [160, 60, 200]
    }
  }
}

/// The outlines of objects.
public enum ShapeKind: String, Sendable, CaseIterable {
  /// The names are the words of questions and answers.
  case circle, square, triangle, cross

  /// The word for several.
  public var plural: String { self == .cross ? "crosses" : rawValue + "s" }

  /// Whether a point belongs to a shape around the origin, y downwards.
  ///
  /// - Parameter r: the radius of the circle; the others fit into the square around it.
  func covers(_ x: Double, _ y: Double, r: Double) -> Bool {
    switch self {
    case .circle: x * x + y * y <= r * r
    case .square: max(abs(x), abs(y)) <= 0.85 * r
    // Half as wide as it is high at every height: apex above, base 0.8 r below the middle.
    case .triangle: y >= -r && y <= 0.8 * r && abs(x) * 1.8 <= y + r
    case .cross: max(abs(x), abs(y)) <= r && min(abs(x), abs(y)) <= 0.36 * r
    }
  }
}

/// The sizes of objects.
public enum ShapeSize: String, Sendable, CaseIterable {
  /// The names are the words of answers.
  case small, large

  /// In pixels.
  var radius: Double { self == .small ? 9 : 14 }
}

/// How objects are filled.
public enum ShapePattern: String, Sendable, CaseIterable {
  /// The names are the words of answers.
  case plain, striped
}

/// One of the nine cells of a scene.
public struct Cell: Sendable, Hashable {
  /// From the top, 0...2.
  public let row: Int
  /// From the left, 0...2.
  public let column: Int

  /// The words for it: "top left", …, "center", …, "bottom right".
  public var words: String {
    if row == 1, column == 1 { return "center" }
    return "\(["top", "middle", "bottom"][row]) \(["left", "middle", "right"][column])"
  }

  /// All nine, row by row.
  public static let all = (0..<9).map { Cell(row: $0 / 3, column: $0 % 3) }
  /// Its place among all.
  public var index: Int { row * 3 + column }
}

/// Something that a scene shows.
public struct SceneObject: Sendable, Equatable {
  /// Where it is.
  public let cell: Cell
  /// What it looks like.
  public let color: ShapeColor, shape: ShapeKind, size: ShapeSize, pattern: ShapePattern
  /// How far its middle is from the cell's, in pixels.
  let dx: Int, dy: Int
  /// What is added to its colour's red, green and blue.
  let shade: [Int]
}

/// A plaque with three characters, over two cells of a row.
public struct SceneSign: Sendable, Equatable {
  /// The left one of its cells.
  public let cell: Cell
  /// Three characters of `Glyph.characters`.
  public let text: String
  let dx: Int, dy: Int
  /// Its brightness.
  let gray: Int

  /// Both cells.
  public var cells: [Cell] { [cell, Cell(row: cell.row, column: cell.column + 1)] }
}
