/// Direct training: the same ratios before the same layer from the first step to the last, for comparison.
public struct FixedCurriculum: StagedCurriculum {
  private let options: CurriculumOptions

  /// Takes the layer and the ramps, which must be constant.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    let ramps: [(CurriculumOptions.Name, Ramp)] = [
      (.studentMinimum, options.studentMinimum), (.studentMaximum, options.studentMaximum), (.gap, options.gap),
    ]
    let problems = ramps.filter { $0.1.start != $0.1.end }
      .map { CurriculumError.Problem($0.0, "is \($0.1), expected one ratio, as the curriculum fixed changes none") }
    if !problems.isEmpty { throw CurriculumError.invalidOptions(problems) }
    self.options = options
  }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// The same plan at every moment.
  public func plan(at progress: Double) -> PlannedStage { options.plan(layer: options.layer, at: 1) }

  static let definition = CurriculumDefinition(
    "fixed", "direct training: nothing changes",
    uses: [.layers, .layer, .studentMinimum, .studentMaximum, .gap, .teacherMinimum], presets: [.paper: paper, .code: code]
  ) { try FixedCurriculum($0) }

  /// Where the paper's curriculum of tokens ends: the two then differ in nothing but the way there.
  static let paper = CurriculumOptions(
    studentMinimum: Ramp(constant: TokenCurriculum.paper.studentMinimum.end),
    studentMaximum: Ramp(constant: TokenCurriculum.paper.studentMaximum.end),
    gap: Ramp(constant: TokenCurriculum.paper.gap.end))

  /// The experiment without progression in the released tree: ratio 0.889 (64 of 576 tokens kept), its teacher drops nothing.
  static let code = CurriculumOptions(
    studentMinimum: Ramp(constant: 0.889), studentMaximum: Ramp(constant: 0.889), gap: Ramp(constant: 0.889))
}
