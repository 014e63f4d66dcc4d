import Imaging

/// A frame of a video before it is drawn: shapes in four by four cells, no two of one kind, and perhaps a counter.
public struct MovingFrame: Sendable, Equatable {
  /// Cells in a row or column; pixels of a cell's side, and of the frame's.
  public static let cells = 4, cellSide = 16, side = cells * cellSide

  /// One of the cells.
  public struct Place: Sendable, Hashable {
    /// From the top, and from the left, 0...3.
    public let row: Int, column: Int

    /// All, row by row.
    static let all = (0..<cells * cells).map { Place(row: $0 / cells, column: $0 % cells) }

    /// The words for it: "highest leftmost", …, "lowest rightmost".
    public var words: String { "\(Self.rows[row]) \(Self.columns[column])" }

    static let rows = ["highest", "high", "low", "lowest"]
    static let columns = ["leftmost", "left-hand", "right-hand", "rightmost"]

    func moved(_ direction: Direction) -> Place? {
      let (down, across) = direction.step
      let place = Place(row: row + down, column: column + across)
      return (0..<MovingFrame.cells).contains(place.row) && (0..<MovingFrame.cells).contains(place.column) ? place : nil
    }
  }

  /// Where something goes.
  public enum Direction: String, Sendable, CaseIterable {
    /// The names are the words of answers.
    case left, right, up, down

    var step: (down: Int, across: Int) {
      switch self {
      case .left: (0, -1)
      case .right: (0, 1)
      case .up: (-1, 0)
      case .down: (1, 0)
      }
    }

    init?(from a: Place, to b: Place) {
      guard let found = Self.allCases.first(where: { a.moved($0) == b }) else { return nil }
      self = found
    }
  }

  /// A shape as it is now.
  public struct Actor: Sendable, Equatable {
    /// What it is, which never changes.
    public let shape: ShapeKind
    /// What may change.
    public internal(set) var color: ShapeColor, place: Place
    /// How far its middle is from the cell's, in pixels, and what is added to its colour's red, green and blue.
    let dx: Int, dy: Int, shade: [Int]
  }

  /// A plate with a digit that counts.
  public struct Counter: Sendable, Equatable {
    /// Where it hangs.
    public let place: Place
    /// What it says, 0...9.
    public internal(set) var digit: Int
  }

  /// What is on show.
  public let actors: [Actor]
  /// The counter, in videos that have one.
  public let counter: Counter?
  let background: Scene.Background
  let noiseSeed: UInt64

  /// The shape of a kind, if it is on show.
  public func actor(_ shape: ShapeKind) -> Actor? { actors.first { $0.shape == shape } }

  private static let radius = 6.5

  /// The frame, 64 by 64 pixels; the same bytes on every machine.
  ///
  /// - Throws: `ImagingError`, which a frame gives no reason for.
  public func draw() throws -> RGBImage {
    var canvas = Canvas(side: Self.side, background)
    func corner(_ place: Place) -> (x: Int, y: Int) { (place.column * Self.cellSide, place.row * Self.cellSide) }
    if let counter {
      let (x, y) = corner(counter.place)
      canvas.fill(x: x, y: y, width: Self.cellSide, height: Self.cellSide, gray: 225)
      canvas.paint(glyph: counter.digit, x: x + 3, y: y + 1, dot: 2)
    }
    for actor in actors {
      let (x, y) = corner(actor.place)
      canvas.paint(
        actor.shape, radius: Self.radius, rgb: zip(actor.color.rgb, actor.shade).map { $0 + $1 }, in: (x, y, Self.cellSide),
        dx: actor.dx, dy: actor.dy)
    }
    canvas.addNoise(seed: noiseSeed)
    return try canvas.image()
  }
}
