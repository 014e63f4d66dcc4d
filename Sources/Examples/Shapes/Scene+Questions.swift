extension Scene {
  /// A question of a family; nil where the scene has none, as where no object can be named.
  public func question(_ family: QuestionFamily, using generator: inout SceneGenerator) -> Question? {
    switch family {
    case .existence:
      for kind in generator.shuffled(ExistenceKind.allCases) {
        if let question = existence(kind, using: &generator) { return question }
      }
      return nil
    case .attribute: return attribute(using: &generator)
    case .relation: return relation(using: &generator)
    case .position: return position(using: &generator)
    case .counting: return counting(using: &generator)
    case .reading:
      return Question(family: .reading, kind: "sign", text: "what does the sign say?", answer: sign.text)
    }
  }

  /// Different questions in the families' shares, for training.
  public func questions(_ count: Int, using generator: inout SceneGenerator) -> [Question] {
    var found: [Question] = []
    // A scene of two objects has few different questions, so not all draws find a new one.
    for _ in 0..<4 * count where found.count < count {
      var place = generator.below(100)
      let family = QuestionFamily.allCases.first { family in
        place -= family.share
        return place < 0
      }
      if let family, let question = question(family, using: &generator), !found.contains(where: { $0.text == question.text }) {
        found.append(question)
      }
    }
    return found
  }
}

// MARK: - Existence

/// What an existence question names.
enum ExistenceKind: String, CaseIterable {
  case shape, color, pair
}

extension Scene {
  /// A question for something that is there or, as often, is not; half of the pairs that are not there have colour and shape apart.
  func existence(_ kind: ExistenceKind, using generator: inout SceneGenerator) -> Question? {
    let wanted = generator.chance(50)
    let apart = generator.chance(50)
    func make(_ what: String, _ suffix: String = "") -> Question {
      Question(
        family: .existence, kind: kind.rawValue + suffix + (wanted ? "" : "-absent"), text: "is there a \(what)?",
        answer: wanted ? "yes" : "no")
    }
    switch kind {
    case .shape:
      let all = ShapeKind.allCases.filter { shape in objects.contains { $0.shape == shape } == wanted }
      return generator.pick(all).map { make($0.rawValue) }
    case .color:
      let all = ShapeColor.allCases.filter { color in objects.contains { $0.color == color } == wanted }
      return generator.pick(all).map { make("\($0.rawValue) object") }
    case .pair:
      let pairs = ShapeColor.allCases.flatMap { color in ShapeKind.allCases.map { (color, $0) } }
      let all = pairs.filter { color, shape in objects.contains { $0.color == color && $0.shape == shape } == wanted }
      let hard = all.filter { color, shape in
        objects.contains { $0.color == color } && objects.contains { $0.shape == shape }
      }
      let chosen = !wanted && apart && !hard.isEmpty ? hard : all
      return generator.pick(chosen).map {
        make("\($0.0.rawValue) \($0.1.rawValue)", chosen.count == hard.count && !wanted ? "-apart" : "")
      }
    }
  }
}

// MARK: - Objects by name

extension Scene {
  /// What a name says of an object.
  private enum Naming: CaseIterable {
    case shape, color, pair

    func matches(_ a: SceneObject, _ b: SceneObject) -> Bool {
      switch self {
      case .shape: a.shape == b.shape
      case .color: a.color == b.color
      case .pair: a.shape == b.shape && a.color == b.color
      }
    }

    func text(_ object: SceneObject) -> String {
      switch self {
      case .shape: object.shape.rawValue
      case .color: "\(object.color.rawValue) object"
      case .pair: "\(object.color.rawValue) \(object.shape.rawValue)"
      }
    }
  }

  private func isUnique(_ object: SceneObject, _ naming: Naming) -> Bool {
    objects.count { naming.matches($0, object) } == 1
  }

  /// One of the names that only this object has; nil where there is none.
  private func name(of object: SceneObject, using generator: inout SceneGenerator) -> String? {
    generator.pick(Naming.allCases.filter { isUnique(object, $0) })?.text(object)
  }

  private func attribute(using generator: inout SceneGenerator) -> Question? {
    func make(_ kind: String, _ text: String, _ answer: String) -> Question {
      Question(family: .attribute, kind: kind, text: text, answer: answer)
    }
    for kind in generator.shuffled(["color", "shape", "size", "pattern"]) {
      for object in generator.shuffled(objects) {
        switch kind {
        case "color" where isUnique(object, .shape):
          return make(kind, "what color is the \(object.shape.rawValue)?", object.color.rawValue)
        case "shape" where isUnique(object, .color):
          return make(kind, "what shape is the \(object.color.rawValue) object?", object.shape.rawValue)
        case "size", "pattern":
          guard let name = name(of: object, using: &generator) else { continue }
          return kind == "size"
            ? make(kind, "what size is the \(name)?", object.size.rawValue)
            : make(kind, "what pattern is on the \(name)?", object.pattern.rawValue)
        default: continue
        }
      }
    }
    return nil
  }

  private func relation(using generator: inout SceneGenerator) -> Question? {
    let named = generator.shuffled(objects).compactMap { object in
      name(of: object, using: &generator).map { (object: object, name: $0) }
    }
    guard named.count >= 2 else { return nil }
    let (a, b) = (named[0], named[1])
    let isTrue = generator.chance(50)
    // What is false is the opposite of something true: two objects in one row are never asked for left and right.
    let fitting = Relation.allCases.filter { isTrue ? $0.holds(a.object, b.object) : $0.holds(b.object, a.object) }
    return generator.pick(fitting).map { relation in
      Question(
        family: .relation, kind: relation.rawValue, text: "is the \(a.name) \(relation.rawValue) the \(b.name)?",
        answer: isTrue ? "yes" : "no")
    }
  }

  private func position(using generator: inout SceneGenerator) -> Question? {
    for object in generator.shuffled(objects) {
      guard let name = name(of: object, using: &generator) else { continue }
      return Question(family: .position, kind: "cell", text: "where is the \(name)?", answer: object.cell.words)
    }
    return nil
  }
}

// MARK: - Counting

extension Scene {
  /// Numbers in words; every scorer of the benchmarks takes them for digits.
  static let numbers = ["zero", "one", "two", "three", "four", "five"]

  private func counting(using generator: inout SceneGenerator) -> Question? {
    func make(_ kind: String, _ what: String, _ count: Int) -> Question {
      Question(family: .counting, kind: kind, text: "what is the number of \(what)?", answer: Self.numbers[count])
    }
    // A quarter asks for any colour or shape, which may be absent.
    let anything = generator.chance(25)
    switch generator.below(3) {
    case 0: return make("all", "objects", objects.count)
    case 1:
      let colors = anything ? ShapeColor.allCases : objects.map(\.color)
      return generator.pick(colors).map { color in
        make("color", "\(color.rawValue) objects", objects.count { $0.color == color })
      }
    default:
      let shapes = anything ? ShapeKind.allCases : objects.map(\.shape)
      return generator.pick(shapes).map { shape in make("shape", shape.plural, objects.count { $0.shape == shape }) }
    }
  }
}
