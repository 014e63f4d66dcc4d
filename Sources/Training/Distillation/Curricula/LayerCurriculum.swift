/// Layer consistency distillation (LCD): tokens are dropped before the last layer first, and then before earlier and earlier ones.
///
/// ℓ(t) = Round(L − β(L − ℓ_min)) with β = t/T (paper, eq. 9-11), the same layer for student and teacher. It begins at ℓ = L, where
/// no layer is left to run on fewer tokens: nothing is dropped, and teacher and student are equal whatever their ratios.
public struct LayerCurriculum: StagedCurriculum {
  private let options: CurriculumOptions

  /// Takes the layers, their rounding and the ramps.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    self.options = options
  }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// The ramps' values before the layer of the moment.
  public func plan(at progress: Double) -> PlannedStage {
    let progress = options.held(progress)
    return options.plan(layer: options.layer(at: progress), at: progress)
  }

  static let definition = CurriculumDefinition(
    "layer", "the layer goes from deep to shallow (LCD)",
    uses: [.layers, .layer, .studentMinimum, .studentMaximum, .gap, .teacherMinimum, .rounding, .hold],
    presets: [.paper: paper]
  ) { try LayerCurriculum($0) }

  /// The paper's text: r_s ~ Uniform(0.2, 0.9) throughout, ℓ_min = 2 by its ablation.
  ///
  /// The gap is not given for this curriculum; it is taken to grow as in the one of tokens.
  static let paper = CurriculumOptions(
    studentMinimum: Ramp(constant: 0.2), studentMaximum: Ramp(constant: 0.9), gap: TokenCurriculum.paper.gap)
}
