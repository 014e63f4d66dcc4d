/// Integrated consistency distillation (ICD): the curriculum of tokens once for each of several layers, from deep to shallow.
///
/// The paper describes it in words only (appendix C): layers outside, from deep to shallow; inside each, ratios from small to large,
/// starting again at the next layer. Ours to choose were the following. Training is cut into `stages` equal parts. Part m of M, counted
/// from 1, drops before ℓ(m/M) of eq. 9, the layer that LCD has reached at its end: so the last part works at ℓ_min, none is spent
/// at ℓ = L where nothing would be dropped (unless there are fewer layers than parts), and one part alone is TCD.
public struct IntegratedCurriculum: StagedCurriculum {
  private let options: CurriculumOptions

  /// Takes the layers, their rounding, the number of stages, and the ramps, which run through once in each stage.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    self.options = options
  }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// The ramps' values at the position inside the stage, before the stage's layer.
  public func plan(at progress: Double) -> PlannedStage {
    let position = options.held(progress) * Double(options.stages)
    let stage = min(Int(position), options.stages - 1)
    let layer = options.layer(at: Double(stage + 1) / Double(options.stages))
    return options.plan(layer: layer, at: position - Double(stage))
  }

  static let definition = CurriculumDefinition(
    "integrated", "the ratio grows anew at each of several layers, deep to shallow (ICD)",
    uses: [.layers, .layer, .studentMinimum, .studentMaximum, .gap, .teacherMinimum, .rounding, .stages, .hold],
    presets: [.paper: TokenCurriculum.paper]
  ) { try IntegratedCurriculum($0) }
}
