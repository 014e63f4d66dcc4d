import Testing

@testable import Shapes

/// Another reading of a scene: answers from the words of a question alone.
struct Oracle {
  let scene: Scene

  /// Objects that words name: "red circle", "circles", "blue object", "objects".
  private func named(_ words: Substring) -> [SceneObject] {
    var parts = words.split(separator: " ").map(String.init)
    let noun = parts.removeLast()
    let singular = noun == "crosses" || noun == "cross" ? "cross" : noun.hasSuffix("s") ? String(noun.dropLast()) : noun
    return scene.objects.filter { object in
      (singular == "object" || object.shape.rawValue == singular) && (parts.isEmpty || object.color.rawValue == parts[0])
    }
  }

  private func only(_ words: Substring) throws -> SceneObject {
    let found = named(words)
    try #require(found.count == 1, "\(words)")
    return found[0]
  }

  func answer(_ question: String) throws -> String {
    let text = try #require(question.hasSuffix("?") ? question.dropLast() : nil)
    func rest(_ prefix: String) -> Substring? { text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : nil }
    if let words = rest("is there a ") { return named(words).isEmpty ? "no" : "yes" }
    if let words = rest("what color is the ") { return try only(words).color.rawValue }
    if let words = rest("what shape is the ") { return try only(words).shape.rawValue }
    if let words = rest("what size is the ") { return try only(words).size.rawValue }
    if let words = rest("what pattern is on the ") { return try only(words).pattern.rawValue }
    if let words = rest("what is the number of ") { return ["zero", "one", "two", "three", "four", "five"][named(words).count] }
    if text == "what does the sign say" { return scene.sign.text }
    if let words = rest("where is the ") {
      let cell = try only(words).cell
      let names = [
        ["top left", "top middle", "top right"], ["middle left", "center", "middle right"],
        ["bottom left", "bottom middle", "bottom right"],
      ]
      return names[cell.row][cell.column]
    }
    let words = try #require(rest("is the "))
    for (relation, test) in [
      (" left of the ", { $0.column < $1.column }), (" right of the ", { $0.column > $1.column }),
      (" above the ", { $0.row < $1.row }),
      (" below the ", { $0.row > $1.row }),
    ] as [(String, (Cell, Cell) -> Bool)] {
      let sides = words.split(separator: relation)
      if sides.count == 2 { return test(try only(sides[0]).cell, try only(sides[1]).cell) ? "yes" : "no" }
    }
    Issue.record("no such question: \(question)")
    return ""
  }
}

@Suite struct QuestionTests {
  @Test func answersAreThoseOfAnotherReading() throws {
    for index in 0..<1500 {
      var generator = SceneGenerator(seed: 8, stream: UInt64(index))
      let scene = Scene(using: &generator)
      let questions = scene.questions(10, using: &generator)
      #expect(questions.count >= 5 && Set(questions.map(\.text)).count == questions.count)
      for question in questions {
        #expect(try Oracle(scene: scene).answer(question.text) == question.answer, "\(question.text) in scene \(index)")
      }
    }
  }

  @Test func yesAndNoAreAsFrequentAndFamiliesHaveTheirShares() {
    var (yes, all, families) = ([QuestionFamily: Int](), [QuestionFamily: Int](), [QuestionFamily: Int]())
    for index in 0..<4000 {
      var generator = SceneGenerator(seed: 9, stream: UInt64(index))
      let scene = Scene(using: &generator)
      for question in scene.questions(3, using: &generator) {
        families[question.family, default: 0] += 1
        guard ["yes", "no"].contains(question.answer) else { continue }
        all[question.family, default: 0] += 1
        yes[question.family, default: 0] += question.answer == "yes" ? 1 : 0
      }
    }
    #expect(Set(all.keys) == [.existence, .relation])
    for (family, count) in all {
      let share = Double(yes[family] ?? 0) / Double(count)
      #expect(abs(share - 0.5) < 0.04, "\(family): \(share)")
    }
    let total = Double(families.values.reduce(0, +))
    for family in QuestionFamily.allCases {
      // Of small scenes some families have few different questions.
      #expect(abs(Double(families[family] ?? 0) / total - Double(family.share) / 100) < 0.03, "\(family)")
    }
  }

  @Test func absentPairsAreHalfMadeOfWhatIsThere() {
    var (apart, absent) = (0, 0)
    for index in 0..<3000 {
      var generator = SceneGenerator(seed: 10, stream: UInt64(index))
      let scene = Scene(using: &generator)
      guard let question = scene.existence(.pair, using: &generator), question.answer == "no" else { continue }
      absent += 1
      let words = question.text.dropFirst("is there a ".count).dropLast().split(separator: " ")
      let hasBoth =
        scene.objects.contains { $0.color.rawValue == words[0] } && scene.objects.contains { $0.shape.rawValue == words[1] }
      apart += hasBoth ? 1 : 0
      #expect(!scene.objects.contains { $0.color.rawValue == words[0] && $0.shape.rawValue == words[1] })
    }
    #expect(absent > 1200 && Double(apart) / Double(absent) > 0.5)
  }
}
