/// Some frames one after the other, as a video or as the end of one, and what can be asked about them.
///
/// Every answer follows from these frames alone. What is on show in the first of them was there before; it does not appear.
public struct MovingClip: Sendable, Equatable {
  /// The frames, ``MovingWorld/longestClip`` at most.
  public let frames: [MovingFrame]

  /// A clip of frames that follow one another.
  public init(_ frames: [MovingFrame]) { self.frames = frames }

  /// A random clip: some frames of a world, of most from its beginning, where much appears, of others once it has gone on for a while.
  public init(frames count: Int, seed: UInt64, stream: UInt64) {
    var generator = SceneGenerator(seed: seed ^ 0xb1a5, stream: stream)
    frames = Array(MovingWorld(seed: seed, stream: stream).dropFirst(generator.chance(40) ? 12 : 0).prefix(count))
  }

  /// All that can be asked in a family.
  public func questions(_ family: MovingFamily) -> [MovingQuestion] {
    guard let first = frames.first, let last = frames.last else { return [] }
    func make(_ kind: String, _ text: String, _ answer: String) -> MovingQuestion {
      MovingQuestion(family: family, kind: kind, text: text, answer: answer)
    }
    func both(_ body: (String, MovingFrame) -> [MovingQuestion]) -> [MovingQuestion] {
      body("end", last) + body("start", first)
    }
    switch family {
    case .direction:
      return ShapeKind.allCases.compactMap { shape in
        direction(of: shape).map { make("direction", "which way goes the \(shape.rawValue)?", $0.rawValue) }
      }
    case .order:
      let found = appearances
      guard found.count >= 2, let first = found.first, let last = found.last else { return [] }
      return [
        make("first", "which shape appears first?", first.rawValue), make("last", "which shape appears last?", last.rawValue),
      ]
    case .count:
      return [make("appear", "how many shapes appear?", Scene.numbers[appearances.count])]
        + both { time, frame in
          [make("at the \(time)", "at the \(time), how many shapes are there?", Scene.numbers[frame.actors.count])]
        }
    case .state:
      let seen = ShapeKind.allCases.filter { shape in frames.contains { $0.actor(shape) != nil } }
      return both { time, frame in
        frame.actors.map {
          make("color at the \(time)", "at the \(time), what color is the \($0.shape.rawValue)?", $0.color.rawValue)
        }
          + seen.map {
            make(
              "presence at the \(time)", "at the \(time), is there a \($0.rawValue)?", frame.actor($0) != nil ? "yes" : "no")
          }
      }
    case .position:
      return both { time, frame in
        frame.actors.map { make("at the \(time)", "at the \(time), where is the \($0.shape.rawValue)?", $0.place.words) }
      }
    case .counter:
      return both { time, frame in
        frame.counter.map { [make("at the \(time)", "at the \(time), what does the counter say?", "\($0.digit)")] } ?? []
      }
    }
  }

  /// A question of a family: kinds are equally likely where there are such, and so are a kind's answers.
  public func question(_ family: MovingFamily, using generator: inout SceneGenerator) -> MovingQuestion? {
    let all = questions(family)
    func pick(_ questions: [MovingQuestion], _ name: (MovingQuestion) -> String) -> [MovingQuestion] {
      let names = Array(Set(questions.map(name))).sorted()
      let chosen = generator.pick(names)
      return questions.filter { name($0) == chosen }
    }
    return generator.pick(pick(pick(all, \.kind), \.answer))
  }

  /// Some questions, no two alike, fewer where there are no more.
  func questions(_ count: Int, using generator: inout SceneGenerator) -> [MovingQuestion] {
    var found: [MovingQuestion] = []
    let families = MovingFamily.allCases.flatMap { Array(repeating: $0, count: $0.share) }
    for _ in 0..<6 * count where found.count < count {
      guard let family = generator.pick(families), let question = question(family, using: &generator), !found.contains(question)
      else { continue }
      found.append(question)
    }
    return found
  }

  /// Where a shape goes: nil unless it goes one way only, by two cells at least.
  func direction(of shape: ShapeKind) -> MovingFrame.Direction? {
    let places = frames.compactMap { $0.actor(shape)?.place }
    let moves = zip(places, places.dropFirst()).filter { $0 != $1 }.map { MovingFrame.Direction(from: $0, to: $1) }
    guard moves.count >= 2, Set(moves).count == 1 else { return nil }
    return moves[0]
  }

  /// Shapes that come on show after the first frame, in that order; no two come at once.
  var appearances: [ShapeKind] {
    zip(frames, frames.dropFirst()).flatMap { before, now in
      now.actors.map(\.shape).filter { before.actor($0) == nil }
    }
  }
}

/// What questions about clips are about.
public enum MovingFamily: String, Sendable, CaseIterable {
  /// Where something goes.
  case direction
  /// What appears first or last.
  case order
  /// How many appear, or are there at the end.
  case count
  /// Which colour something has at the end, and whether it is there.
  case state
  /// Where something is at the end.
  case position
  /// What the counter says at the end.
  case counter

  /// Share of the training questions, in percent.
  var share: Int {
    switch self {
    case .direction: 20
    case .order: 20
    case .count: 16
    case .state: 20
    case .position: 14
    case .counter: 10
    }
  }
}

/// A question about a clip with its one right answer.
public struct MovingQuestion: Sendable, Hashable {
  /// What it is about.
  public let family: MovingFamily
  /// What exactly: "first", "color at the end".
  public let kind: String
  /// The question, with its question mark.
  public let text: String
  /// The answer, in lower case and without a full stop.
  public let answer: String

  /// The question as a model is asked it.
  public var prompt: String { text + Question.shortAnswer }
}
