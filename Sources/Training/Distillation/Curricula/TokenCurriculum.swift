/// Token consistency distillation (TCD): more and more tokens are dropped before one layer.
///
/// r_s ~ Uniform(Rmin(t), Rmax(t)) and r_t = max(0, r_s − Δ(t)) (paper, eq. 4-5), all three linear in progress.
public struct TokenCurriculum: StagedCurriculum {
  private let options: CurriculumOptions

  /// Takes the layer and the ramps.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    self.options = options
  }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// The ramps' values before the one layer.
  public func plan(at progress: Double) -> PlannedStage {
    options.plan(layer: options.layer, at: options.held(progress))
  }

  static let definition = CurriculumDefinition(
    "token", "the ratio grows before one layer (TCD)",
    uses: [.layers, .layer, .studentMinimum, .studentMaximum, .gap, .teacherMinimum, .hold],
    presets: [.paper: paper, .code: code]
  ) { try TokenCurriculum($0) }

  /// The paper's text: Rmax from 5 % to 90 %, Rmin from 0 to 50 %, layer 2.
  ///
  /// The gap grows "up to 30 %"; where it starts is not said, and 5 % is the smallest gap that the text names.
  static let paper = CurriculumOptions(studentMinimum: Ramp(0, 0.5), studentMaximum: Ramp(0.05, 0.9), gap: Ramp(0.05, 0.3))

  /// The released trainers: Rmax 0.1 + 0.8·p·0.8, Rmin 0.1 + 0.8·p·0.2, gap min(0.1 + 0.5·p, 0.3), layer 2.
  static let code = CurriculumOptions(
    studentMinimum: Ramp(0.1, 0.26), studentMaximum: Ramp(0.1, 0.74), gap: Ramp(0.1, 0.3, reached: 0.4))
}
