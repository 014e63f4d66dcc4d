import Distillation

/// A curriculum by name with a preset's constants, changed where told.
func curriculum(
  _ name: String, _ preset: CurriculumPreset = .paper, _ change: (inout CurriculumOptions) -> Void = { _ in }
) throws -> any Curriculum {
  let definition = try CurriculumDefinition.named(name)
  var options = try definition.options(preset)
  change(&options)
  return try definition.curriculum(options)
}

/// Equal but for rounding.
func isClose(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool { abs(a - b) <= tolerance }
