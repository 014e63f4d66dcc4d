import Distillation
import LLaVA

extension TrainingConfiguration {
  /// A constant of curricula that a configuration can change.
  private struct Constant: Sendable {
    let name: CurriculumOptions.Name
    let isGiven: @Sendable (CurriculumChoice) -> Bool
    /// From the configuration, where it has it, to the options.
    let apply: @Sendable (CurriculumChoice, inout CurriculumOptions) -> Void
    /// Back.
    let fill: @Sendable (CurriculumOptions, inout CurriculumChoice) -> Void

    init<V: Sendable>(
      _ name: CurriculumOptions.Name, _ own: WritableKeyPath<CurriculumChoice, V?> & Sendable,
      _ option: WritableKeyPath<CurriculumOptions, V> & Sendable
    ) {
      self.name = name
      isGiven = { $0[keyPath: own] != nil }
      apply = { choice, options in if let value = choice[keyPath: own] { options[keyPath: option] = value } }
      fill = { options, choice in choice[keyPath: own] = options[keyPath: option] }
    }

    /// One that may stay open in the options as well.
    init<V: Sendable>(
      open name: CurriculumOptions.Name, _ own: WritableKeyPath<CurriculumChoice, V?> & Sendable,
      _ option: WritableKeyPath<CurriculumOptions, V?> & Sendable
    ) {
      self.name = name
      isGiven = { $0[keyPath: own] != nil }
      apply = { choice, options in if let value = choice[keyPath: own] { options[keyPath: option] = value } }
      fill = { options, choice in choice[keyPath: own] = options[keyPath: option] }
    }
  }

  private static let constants: [Constant] = [
    Constant(.layer, \.layer, \.layer), Constant(.studentMinimum, \.studentMinimum, \.studentMinimum),
    Constant(.studentMaximum, \.studentMaximum, \.studentMaximum), Constant(.gap, \.gap, \.gap),
    Constant(.teacherMinimum, \.teacherMinimum, \.teacherMinimum), Constant(.rounding, \.rounding, \.rounding),
    Constant(.stages, \.stages, \.stages), Constant(.hold, \.hold, \.hold),
    Constant(open: .smallest, \.smallest, \.nested.smallest), Constant(.between, \.between, \.nested.between),
    Constant(open: .ladder, \.ladder, \.nested.ladder), Constant(.fullEvery, \.fullEvery, \.nested.fullEvery),
    Constant(.mixes, \.mixes, \.nested.mixes), Constant(.teacher, \.teacher, \.nested.teacher),
    Constant(.progression, \.progression, \.nested.progression), Constant(open: .cutLayers, \.cutLayers, \.nested.cutLayers),
    Constant(.shares, \.shares, \.nested.shares),
    Constant(open: .divergenceWeights, \.divergenceWeights, \.nested.divergenceWeights),
  ]

  /// The curriculum; nil for none, where no token is dropped.
  func makeCurriculum(for model: LLaVAConfiguration) throws -> (any Curriculum)? {
    guard let name = curriculum.name, name != "none" else { return nil }
    return try CurriculumDefinition.named(name).curriculum(curriculumOptions(name, for: model))
  }

  private func curriculumOptions(_ name: String, for model: LLaVAConfiguration) throws -> CurriculumOptions {
    let kind = try CurriculumDefinition.named(name)
    var options = try kind.options(preset)
    if let stray = Self.constants.first(where: { $0.isGiven(curriculum) && !kind.uses.contains($0.name) }) {
      throw ConfigurationProblem.keys(["\(stray.name.rawValue) has no meaning for the curriculum \(name)"])
    }
    options.layers = model.text.layers
    options.layer = min(options.layer, options.layers)
    options.nested.tokens = model.pictureLayout.count
    for constant in Self.constants { constant.apply(curriculum, &options) }
    return options
  }

  /// Fills in the curriculum's constants, and the preset that they come from.
  mutating func resolveCurriculum(for model: LLaVAConfiguration) throws {
    guard let name = curriculum.name, name != "none" else {
      preset = preset ?? .paper
      curriculum.draws = curriculum.draws ?? .batch
      return
    }
    let kind = try CurriculumDefinition.named(name)
    preset = preset ?? kind.preset
    if name == "auto", curriculum.draws == .sample {
      throw ConfigurationProblem.keys(["draws is sample, expected batch: auto learns from the divergence of one budget at a time"]
      )
    }
    curriculum.draws = curriculum.draws ?? (name == "nested" ? .sample : .batch)
    _ = try makeCurriculum(for: model)
    let options = try curriculumOptions(name, for: model)
    for constant in Self.constants where kind.uses.contains(constant.name) { constant.fill(options, &curriculum) }
  }
}
