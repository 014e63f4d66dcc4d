import Distillation
import Testing

@Suite struct BadOptionsTests {
  private struct Case: CustomTestStringConvertible {
    let testDescription: String
    let says: [String]
    var curriculum = "token"
    let change: @Sendable (inout CurriculumOptions) -> Void
  }

  private static let cases = [
    Case(testDescription: "no layers", says: ["layers is 0"]) { $0.layers = 0 },
    Case(testDescription: "layer 0", says: ["layer is 0", "1...32"]) { $0.layer = 0 },
    Case(testDescription: "a layer beyond the last", says: ["layer is 33"]) { $0.layer = 33 },
    Case(testDescription: "a ratio above 1", says: ["student-max is 0.1:1.2"]) { $0.studentMaximum = Ramp(0.1, 1.2) },
    Case(testDescription: "a negative gap", says: ["gap is -0.1"]) { $0.gap = Ramp(constant: -0.1) },
    Case(testDescription: "NaN", says: ["student-min is nan"]) { $0.studentMinimum = Ramp(constant: .nan) },
    Case(testDescription: "never reached", says: ["gap is 0.1:0.3:0.0"]) { $0.gap = Ramp(0.1, 0.3, reached: 0) },
    Case(testDescription: "a teacher above 1", says: ["teacher-min is 2"]) { $0.teacherMinimum = 2 },
    Case(testDescription: "no stages", says: ["stages is 0"]) { $0.stages = 0 },
    Case(testDescription: "nothing but hold", says: ["hold is 1.0"]) { $0.hold = 1 },
    Case(testDescription: "ends in the wrong order", says: ["student-min is 0.8", "above student-max 0.05:0.9"]) {
      $0.studentMinimum = Ramp(constant: 0.8)
    },
    Case(testDescription: "ends that cross at a kink", says: ["student-min is 0.0:0.5:0.1"]) {
      $0.studentMinimum = Ramp(0, 0.5, reached: 0.1)
    },
    Case(testDescription: "a fixed curriculum that moves", says: ["student-max is 0.1:0.9", "one ratio"], curriculum: "fixed") {
      $0.studentMinimum = Ramp(constant: 0)
      $0.studentMaximum = Ramp(0.1, 0.9)
    },
    Case(testDescription: "all at once", says: ["layer is 0", "; ", "gap is 7", "; ", "hold is -1"]) {
      $0.layer = 0
      $0.gap = Ramp(constant: 7)
      $0.hold = -1
    },
  ]

  @Test(arguments: cases) private func everyProblemIsNamed(_ bad: Case) throws {
    let error = #expect(throws: CurriculumError.self) { try curriculum(bad.curriculum, .paper, bad.change) }
    let text = try #require(error?.description)
    for fragment in bad.says { #expect(text.contains(fragment), "\(fragment) in: \(text)") }
    #expect(!text.contains("\n"))
  }

  @Test func unknownNamesListTheKnownOnes() {
    #expect(
      throws: CurriculumError.unknownCurriculum("tokens", known: CurriculumDefinition.all.map(\.name))
    ) {
      try CurriculumDefinition.named("tokens")
    }
    #expect(throws: CurriculumError.unknownPreset("paper", known: ["epic-paper", "epic-code", "epic-nested"])) {
      try CurriculumPreset.named("paper")
    }
  }

  @Test(arguments: ["layer", "integrated"]) func theCodeHasNoCurriculumOverLayers(_ name: String) {
    let error = #expect(throws: CurriculumError.self) { try CurriculumDefinition.named(name).options(.code) }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("preset epic-code has no constants for the curriculum \(name), only for token"), "\(text)")
    #expect(text.hasSuffix(" and fixed; use preset epic-paper"), "\(text)")
  }

  @Test(arguments: ["", "x", "1:", ":1", "0:1:1:1", "0.1-0.3"]) func textThatIsNoRamp(_ text: String) {
    #expect(Ramp(text) == nil)
  }

  @Test(arguments: [Ramp(constant: 0.5), Ramp(0.05, 0.9), Ramp(0.1, 0.3, reached: 0.4)]) func rampsReadWhatTheyWrite(_ ramp: Ramp)
  {
    #expect(Ramp(ramp.description) == ramp)
  }
}
