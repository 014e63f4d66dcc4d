/// The kinds of questions, after the benchmarks that ask them.
public enum QuestionFamily: String, Sendable, CaseIterable {
  /// Is something there? POPE.
  case existence
  /// What colour, shape, size or pattern has something? GQA.
  case attribute
  /// Where are two things to each other? GQA.
  case relation
  /// In which cell is something? GQA.
  case position
  /// How many are there? VQAv2.
  case counting
  /// What does the sign say? TextVQA.
  case reading

  /// Share of the training questions, in percent.
  var share: Int {
    switch self {
    case .existence, .attribute, .relation: 20
    case .position: 12
    case .counting: 18
    case .reading: 10
    }
  }
}

/// A question about a scene with its one right answer.
public struct Question: Sendable, Hashable {
  /// What the question is about.
  public let family: QuestionFamily
  /// What exactly: "pair-absent", "color", "left of".
  public let kind: String
  /// The question, with its question mark.
  public let text: String
  /// The answer, in lower case and without a full stop.
  public let answer: String

  /// What LLaVA's instruction data and the benchmarks put behind a question that has a short answer.
  public static let shortAnswer = "\nAnswer the question using a single word or phrase."

  /// The question as a model is asked it.
  public var prompt: String { text + Self.shortAnswer }
}

extension Question {
  /// The question with another answer of the same kind, each as likely.
  func answeredWrongly(using generator: inout SceneGenerator) -> Question {
    let answers: [String] =
      switch family {
      case .existence, .relation: ["yes", "no"]
      case .attribute:
        switch kind {
        case "color": ShapeColor.allCases.map(\.rawValue)
        case "shape": ShapeKind.allCases.map(\.rawValue)
        case "size": ShapeSize.allCases.map(\.rawValue)
        default: ShapePattern.allCases.map(\.rawValue)
        }
      case .position: Cell.all.map(\.words)
      case .counting: Scene.numbers
      case .reading: (0..<4).map { _ in Scene(using: &generator).sign.text }
      }
    let other = generator.pick(answers.filter { $0 != answer }) ?? answer
    return Question(family: family, kind: kind, text: text, answer: other)
  }
}

/// A spatial relation, by the cells' rows and columns.
enum Relation: String, CaseIterable {
  case left = "left of"
  case right = "right of"
  case above, below

  func holds(_ a: SceneObject, _ b: SceneObject) -> Bool {
    switch self {
    case .left: a.cell.column < b.cell.column
    case .right: a.cell.column > b.cell.column
    case .above: a.cell.row < b.cell.row
    case .below: a.cell.row > b.cell.row
    }
  }
}
