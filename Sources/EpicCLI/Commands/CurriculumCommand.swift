import ArgumentParser
import Distillation
import Foundation

/// The plan of a curriculum, as a table and as a picture.
struct CurriculumCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curriculum",
    abstract: "Show which layer and ratios a curriculum plans over training.",
    discussion:
      "Constants come from the preset; a ratio is one number (0.9), start:end (0.05:0.9), or start:end:reached, the last "
      + "being the progress from which the end is kept.\n\n"
      + CurriculumDefinition.all.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n")
      + "\n\nExample: epic curriculum --curriculum nested --visual-tokens 144 --smallest 9 --svg nested.svg")

  @Option(help: "\(CurriculumDefinition.all.map(\.name).joined(separator: ", ")); token unless given.")
  var curriculum: String?

  @Option(
    help: """
      Where constants come from: epic-paper (the text; used unless given), epic-code (the released code), or epic-nested (ours, for nested \
      and auto, which use it).
      """)
  var preset: String?

  @Option(help: "Optimizer steps of the training; 1000 unless given, 200 with --theory.")
  var steps: Int?

  @Option(help: "Layers of the decoder; 32 unless given.")
  var layers: Int?

  @Option(help: ArgumentHelp("Layer before which tokens are dropped; where layers change, the last one.", valueName: "k"))
  var layer: Int?

  @Option(help: ArgumentHelp("Upper end of the student's ratios.", valueName: "ratio"))
  var studentMax: Ramp?

  @Option(help: ArgumentHelp("Lower end of the student's ratios.", valueName: "ratio"))
  var studentMin: Ramp?

  @Option(help: ArgumentHelp("How much smaller the teacher's ratio is.", valueName: "ratio"))
  var gap: Ramp?

  @Option(help: ArgumentHelp("The teacher's ratio does not fall below this; 0 unless given.", valueName: "ratio"))
  var teacherMin: Double?

  @Option(help: "Layers that lie exactly between two: half-up or half-even.")
  var rounding: LayerRounding?

  @Option(help: "Number of layers that integrated visits.")
  var stages: Int?

  @Option(help: "Fraction of training at its end that keeps what was reached.")
  var hold: Double?

  @Option(help: "Visual tokens of a picture, for nested and auto; 576 unless given.")
  var visualTokens: Int?

  @Option(help: "Smallest budget of nested and auto, in tokens; a sixteenth of all unless given.")
  var smallest: Int?

  @Option(help: "Budgets of nested between all tokens and the smallest.")
  var between: Int?

  @Option(help: "Steps of nested from one with all tokens to the next; 0 for none.")
  var fullEvery: Int?

  @Option(
    help:
      "What pulls the budgets of nested: \(NestedTeacher.allCases.map(\.rawValue).joined(separator: ", ")); of auto: full, frozen."
  )
  var teacher: NestedTeacher?

  @Option(help: "What goes from easy to hard in nested: \(NestedProgression.allCases.map(\.rawValue).joined(separator: ", ")).")
  var progression: NestedProgression?

  @Flag(help: "One budget for each sample of nested, in place of several for all.")
  var mix = false

  @Flag(help: "Show the scalar prototype instead: a model with one parameter, compressed directly and progressively.")
  var theory = false

  @Option(help: ArgumentHelp("Draw it as SVG.", valueName: "file"))
  var svg: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if let steps, !(1...1_000_000).contains(steps) {
      throw ValidationError("--steps is \(steps), expected 1...1000000")
    }
    if theory {
      let stray = (curriculum == nil ? [] : ["curriculum"]) + (preset == nil ? [] : ["preset"]) + given.map(\.rawValue)
      if let first = stray.first { throw ValidationError("--\(first) has no meaning with --theory") }
      if let steps, steps > 100_000 { throw ValidationError("--steps is \(steps), expected 1...100000 with --theory") }
    } else {
      _ = try plan()
    }
  }

  func run() async throws { try theory ? runTheory() : runPlan() }

  private func runPlan() throws {
    let (curriculum, name, preset) = try plan()
    guard let staged = curriculum as? any StagedCurriculum else {
      let report = BudgetPlanReport(curriculum, name: name, preset: preset, steps: steps ?? 1000)
      if let svg { try report.figure(of: curriculum).write(to: URL(fileURLWithPath: svg)) }
      return try json ? printJSON(report) : printLine(report.table())
    }
    let report = CurriculumReport(staged, name: name, preset: preset, steps: steps ?? 1000)
    if let svg { try report.figure(of: staged).write(to: URL(fileURLWithPath: svg)) }
    try json ? printJSON(report) : printLine(report.table())
  }

  private func runTheory() throws {
    var prototype = ScalarPrototype()
    if let steps { prototype.steps = steps }
    let (direct, progressive) = (prototype.direct(), prototype.progressive())
    let report = TheoryReport(prototype, direct: direct, progressive: progressive)
    if let svg { try report.figure(direct: direct, progressive: progressive).write(to: URL(fileURLWithPath: svg)) }
    try json ? printJSON(report) : printLine(report.table())
  }

  /// Options that were given, by the names that they have in errors.
  private var given: [CurriculumOptions.Name] {
    let all: [(CurriculumOptions.Name, Bool)] = [
      (.layers, layers != nil), (.layer, layer != nil), (.studentMaximum, studentMax != nil),
      (.studentMinimum, studentMin != nil), (.gap, gap != nil), (.teacherMinimum, teacherMin != nil),
      (.rounding, rounding != nil),
      (.stages, stages != nil), (.hold, hold != nil), (.visualTokens, visualTokens != nil), (.smallest, smallest != nil),
      (.between, between != nil), (.fullEvery, fullEvery != nil), (.teacher, teacher != nil), (.progression, progression != nil),
      (.mixes, mix),
    ]
    return all.filter(\.1).map(\.0)
  }

  private func plan() throws -> (any Curriculum, name: String, CurriculumPreset) {
    let kind = try checkOption("--curriculum") { try CurriculumDefinition.named(curriculum ?? "token") }
    let source = try checkOption("--preset") { try preset.map(CurriculumPreset.named) ?? kind.preset }
    if let stray = given.first(where: { !kind.uses.contains($0) }) {
      throw ValidationError("--\(stray.rawValue) has no meaning for the curriculum \(kind.name)")
    }
    var options = try checkOption("--preset") { try kind.options(source) }
    if let layers { options.layers = layers }
    if let layer { options.layer = layer }
    if let studentMax { options.studentMaximum = studentMax }
    if let studentMin { options.studentMinimum = studentMin }
    if let gap { options.gap = gap }
    if let teacherMin { options.teacherMinimum = teacherMin }
    if let rounding { options.rounding = rounding }
    if let stages { options.stages = stages }
    if let hold { options.hold = hold }
    if let visualTokens { options.nested.tokens = visualTokens }
    if let smallest { options.nested.smallest = smallest }
    if let between { options.nested.between = between }
    if let fullEvery { options.nested.fullEvery = fullEvery }
    if let teacher { options.nested.teacher = teacher }
    if let progression { options.nested.progression = progression }
    options.nested.mixes = mix
    do {
      return (try kind.curriculum(options), kind.name, source)
    } catch CurriculumError.invalidOptions(let problems) {
      throw ValidationError(problems.map { "--\($0.option.rawValue) \($0.reason)" }.joined(separator: "; "))
    }
  }
}

extension Ramp: ExpressibleByArgument {
  /// Reads one ratio, or start and end.
  public init?(argument: String) { self.init(argument) }
}

extension LayerRounding: ExpressibleByArgument {}
extension NestedTeacher: ExpressibleByArgument {}
extension NestedProgression: ExpressibleByArgument {}
