/// What each patch of a scene shows, in the words of questions and answers: the supervision that aligns the tower with the words.
public struct PatchLabels: Sendable, Equatable {
  /// What is labelled.
  public enum Group: String, Sendable, CaseIterable {
    /// Of objects: all patches of their cell.
    case color, shape, size, pattern
    /// Where a patch of an object or of the sign is.
    case cell
    /// Which character of the sign a patch shows most of, and which of the three it is.
    case glyph, order
    /// Whether a patch belongs to an object or to the sign.
    case kind
  }

  private var labels: [Group: [Int]]

  /// The words of a group, one for each class.
  public static func words(_ group: Group) -> [String] {
    switch group {
    case .color: ShapeColor.allCases.map(\.rawValue)
    case .shape: ShapeKind.allCases.map(\.rawValue)
    case .size: ShapeSize.allCases.map(\.rawValue)
    case .pattern: ShapePattern.allCases.map(\.rawValue)
    case .cell: Cell.all.map(\.words)
    case .glyph: Glyph.characters.map(String.init)
    case .order: ["first", "second", "third"]
    case .kind: ["object", "sign"]
    }
  }

  /// The classes of a scene's patches.
  public init(_ scene: Scene) {
    let none = [Int](repeating: -1, count: Scene.patches * Scene.patches)
    labels = Dictionary(uniqueKeysWithValues: Group.allCases.map { ($0, none) })
    for object in scene.objects {
      for patch in Self.patches(of: object.cell) {
        set(patch, .color, ShapeColor.allCases.firstIndex(of: object.color))
        set(patch, .shape, ShapeKind.allCases.firstIndex(of: object.shape))
        set(patch, .size, ShapeSize.allCases.firstIndex(of: object.size))
        set(patch, .pattern, ShapePattern.allCases.firstIndex(of: object.pattern))
        set(patch, .cell, object.cell.index)
        set(patch, .kind, 0)
      }
    }
    for cell in scene.sign.cells {
      for patch in Self.patches(of: cell) {
        set(patch, .cell, cell.index)
        set(patch, .kind, 1)
        guard let (order, character) = Self.character(at: patch, scene) else { continue }
        set(patch, .order, order)
        set(patch, .glyph, Glyph.characters.firstIndex(of: character))
      }
    }
  }

  /// For each patch, row by row, the class of a group; -1 where the group says nothing about it.
  public func classes(_ group: Group) -> [Int] { labels[group] ?? [] }

  private mutating func set(_ patch: Int, _ group: Group, _ value: Int?) {
    if let value { labels[group]?[patch] = value }
  }

  /// The patches of a cell.
  static func patches(of cell: Cell) -> [Int] {
    let side = Scene.cellSide / Scene.patchSide
    return (0..<side * side).map { (cell.row * side + $0 / side) * Scene.patches + cell.column * side + $0 % side }
  }

  /// The character that a patch shows most of: at least 3 pixels of its width and height.
  private static func character(at patch: Int, _ scene: Scene) -> (order: Int, character: Character)? {
    let (x, y) = (patch % Scene.patches * Scene.patchSide, patch / Scene.patches * Scene.patchSide)
    func overlap(_ a: Int, _ aLength: Int, _ b: Int, _ bLength: Int) -> Int { min(a + aLength, b + bLength) - max(a, b) }
    let candidates = scene.sign.text.enumerated().compactMap { index, character -> (Int, Character, Int)? in
      let box = scene.glyphBox(index)
      let (across, down) = (overlap(x, Scene.patchSide, box.x, box.width), overlap(y, Scene.patchSide, box.y, box.height))
      return across >= 3 && down >= 3 ? (index, character, across * down) : nil
    }
    return candidates.max { $0.2 < $1.2 }.map { ($0.0, $0.1) }
  }
}
