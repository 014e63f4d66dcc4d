import Distillation
import Testing

/// A curriculum of one student and one teacher by name with a preset's constants, changed where told.
func curriculum(
  _ name: String, _ preset: CurriculumPreset = .paper, _ change: (inout CurriculumOptions) -> Void = { _ in }
) throws -> any StagedCurriculum {
  let definition = try CurriculumDefinition.named(name)
  var options = try definition.options(preset)
  change(&options)
  return try staged(definition, options)
}

/// A definition's curriculum, which has one student and one teacher.
func staged(_ definition: CurriculumDefinition, _ options: CurriculumOptions) throws -> any StagedCurriculum {
  try #require(definition.curriculum(options) as? any StagedCurriculum)
}

/// Equal but for rounding.
func isClose(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool { abs(a - b) <= tolerance }
