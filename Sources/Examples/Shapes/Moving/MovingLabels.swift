/// What each cell of a frame shows, in the words of questions and answers: the supervision that aligns the tower with the words.
public enum MovingLabels {
  /// What is labelled, and the words of each, one for each class.
  public static let groups: [(name: String, words: [String])] = [
    ("color", ShapeColor.allCases.map(\.rawValue)), ("shape", ShapeKind.allCases.map(\.rawValue)),
    ("row", MovingFrame.Place.rows), ("column", MovingFrame.Place.columns), ("digit", (0...9).map(String.init)),
  ]

  /// For each group, and of it for each cell, row by row, the class; -1 where the group says nothing about it.
  public static func classes(_ frame: MovingFrame) -> [[Int]] {
    var found = groups.map { _ in Array(repeating: -1, count: MovingFrame.Place.all.count) }
    func set(_ place: MovingFrame.Place, color: ShapeColor? = nil, shape: ShapeKind? = nil, digit: Int? = nil) {
      let classes = [
        color.flatMap(ShapeColor.allCases.firstIndex), shape.flatMap(ShapeKind.allCases.firstIndex), place.row, place.column,
        digit,
      ]
      for (group, value) in classes.enumerated() {
        if let value { found[group][place.row * MovingFrame.cells + place.column] = value }
      }
    }
    for actor in frame.actors { set(actor.place, color: actor.color, shape: actor.shape) }
    if let counter = frame.counter { set(counter.place, digit: counter.digit) }
    return found
  }
}
