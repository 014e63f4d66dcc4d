/// A source of constants.
///
/// Two sources are never mixed: a preset that has none for a curriculum refuses it.
public enum CurriculumPreset: String, Sendable, CaseIterable {
  /// What the paper's text says (arXiv 2510.00515).
  case paper = "epic-paper"
  /// What the released code computes, which differs from the paper and holds no curriculum over layers.
  case code = "epic-code"
  /// Ours, for curricula with several budgets in a step, which neither of the two has.
  case nested = "epic-nested"

  /// A preset by name.
  ///
  /// - Throws: `CurriculumError.unknownPreset`, which lists the known ones.
  public static func named(_ name: String) throws -> CurriculumPreset {
    guard let found = CurriculumPreset(rawValue: name) else {
      throw CurriculumError.unknownPreset(name, known: allCases.map(\.rawValue))
    }
    return found
  }
}

/// A kind of curriculum: its name, the options it reads, its constants in each preset, and how one is made.
public struct CurriculumDefinition: Sendable {
  /// The name in flags and configuration files.
  public let name: String
  /// Half a sentence for people.
  public let summary: String
  /// The options that make a difference to it.
  public let uses: Set<CurriculumOptions.Name>
  private let presets: [CurriculumPreset: CurriculumOptions]
  private let make: @Sendable (CurriculumOptions) throws -> any Curriculum

  init(
    _ name: String, _ summary: String, uses: Set<CurriculumOptions.Name>, presets: [CurriculumPreset: CurriculumOptions],
    make: @escaping @Sendable (CurriculumOptions) throws -> any Curriculum
  ) {
    self.name = name
    self.summary = summary
    self.uses = uses
    self.presets = presets
    self.make = make
  }

  /// All kinds of curriculum; a new one is one line here.
  public static let all = [
    TokenCurriculum.definition,
    LayerCurriculum.definition,
    IntegratedCurriculum.definition,
    FixedCurriculum.definition,
    NestedCurriculum.definition,
    AutoCurriculum.definition,
  ]

  /// A kind by name.
  ///
  /// - Throws: `CurriculumError.unknownCurriculum`, which lists the known ones.
  public static func named(_ name: String) throws -> CurriculumDefinition {
    guard let found = all.first(where: { $0.name == name }) else {
      throw CurriculumError.unknownCurriculum(name, known: all.map(\.name))
    }
    return found
  }

  /// The preset that has constants for this kind, the paper's where it has.
  public var preset: CurriculumPreset { CurriculumPreset.allCases.first { presets[$0] != nil } ?? .paper }

  /// A preset's constants for this kind, to be changed one by one; its own preset's unless one is named.
  ///
  /// - Throws: `CurriculumError.notInPreset` where the preset's source says nothing about this kind.
  public func options(_ preset: CurriculumPreset? = nil) throws -> CurriculumOptions {
    let preset = preset ?? self.preset
    guard let options = presets[preset] else {
      let has = Self.all.filter { $0.presets[preset] != nil }.map(\.name)
      throw CurriculumError.notInPreset(curriculum: name, preset: preset.rawValue, has: has, use: self.preset.rawValue)
    }
    return options
  }

  /// A curriculum of this kind.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public func curriculum(_ options: CurriculumOptions) throws -> any Curriculum { try make(options) }
}
