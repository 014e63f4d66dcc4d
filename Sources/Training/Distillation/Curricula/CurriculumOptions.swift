/// Which layer a tie between two goes to when a curriculum rounds; the paper writes Round and does not say.
public enum LayerRounding: String, Sendable, CaseIterable {
  /// 24.5 becomes 25: every layer but the first and last gets an equally long part of training.
  case halfUp = "half-up"
  /// 24.5 becomes 24 and 9.5 becomes 10, as Python's `round` does.
  case halfEven = "half-even"

  func callAsFunction(_ value: Double) -> Int {
    // Half up, not away from zero; layers are never negative, so both are the same.
    Int(value.rounded(self == .halfUp ? .toNearestOrAwayFromZero : .toNearestOrEven))
  }
}

/// Every constant of every curriculum; `CurriculumDefinition.uses` says which of them a curriculum reads.
///
/// There is no initialiser with values of its own: they come from a preset, so that constants of two sources never mix unnoticed.
public struct CurriculumOptions: Sendable, Equatable {
  /// Number of layers of the decoder.
  public var layers: Int
  /// The layer before which tokens are dropped; where layers change, the last and shallowest one (ℓ_min in the paper).
  ///
  /// From 1 on, as compressors look at what the layer before it computed.
  public var layer: Int
  /// Lower end of the student's ratios (Rmin).
  public var studentMinimum: Ramp
  /// Upper end of the student's ratios (Rmax).
  public var studentMaximum: Ramp
  /// How much smaller the teacher's ratio is (Δ).
  public var gap: Ramp
  /// Lower end of the teacher's ratio.
  public var teacherMinimum = 0.0
  /// How a layer between two is rounded.
  public var rounding = LayerRounding.halfUp
  /// Number of layers that `integrated` visits, one after the other; the paper does not say how many.
  public var stages = 4
  /// Fraction of training at its end during which what was reached last is kept.
  public var hold = 0.0
  /// Those of curricula with several budgets in a step.
  public var nested = NestedOptions()

  /// For a curriculum that reads no ramp.
  init() { self.init(studentMinimum: Ramp(constant: 0), studentMaximum: Ramp(constant: 0), gap: Ramp(constant: 0)) }

  init(layers: Int = 32, layer: Int = 2, studentMinimum: Ramp, studentMaximum: Ramp, gap: Ramp) {
    self.layers = layers
    self.layer = layer
    self.studentMinimum = studentMinimum
    self.studentMaximum = studentMaximum
    self.gap = gap
  }

  /// An option by the name that flags and configuration files use.
  public enum Name: String, Sendable, CaseIterable {
    /// `layers`
    case layers
    /// `layer`
    case layer
    /// `studentMinimum`
    case studentMinimum = "student-min"
    /// `studentMaximum`
    case studentMaximum = "student-max"
    /// `gap`
    case gap
    /// `teacherMinimum`
    case teacherMinimum = "teacher-min"
    /// `rounding`
    case rounding
    /// `stages`
    case stages
    /// `hold`
    case hold
    /// `nested.tokens`
    case visualTokens = "visual-tokens"
    /// `nested.smallest`
    case smallest
    /// `nested.between`
    case between
    /// `nested.ladder`
    case ladder
    /// `nested.fullEvery`
    case fullEvery = "full-every"
    /// `nested.mixes`
    case mixes = "mix"
    /// `nested.teacher`
    case teacher
    /// `nested.progression`
    case progression
    /// `nested.cutLayers`
    case cutLayers = "cut-layers"
    /// `nested.shares`
    case shares
    /// `nested.divergenceWeights`
    case divergenceWeights = "divergence-weights"
  }

  /// Throws where values make no sense, naming all that do not.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public func validate() throws {
    var problems: [CurriculumError.Problem] = []
    func require(_ condition: Bool, _ name: Name, _ value: Any, _ expected: String) {
      if !condition { problems.append(.init(name, "is \(value), expected \(expected)")) }
    }
    let most = 1 << 16
    require((1...most).contains(layers), .layers, layers, "1...\(most)")
    require(layer >= 1 && layer <= max(1, layers), .layer, layer, "1...\(max(1, layers)), the decoder's layers")
    let ramps: [(Name, Ramp)] = [(.studentMinimum, studentMinimum), (.studentMaximum, studentMaximum), (.gap, gap)]
    for (name, ramp) in ramps {
      let fits = (0...1).contains(ramp.start) && (0...1).contains(ramp.end) && ramp.reached > 0 && ramp.reached <= 1
      require(fits, name, ramp, "ratios within 0...1, as in 0.5 or 0.05:0.9 (start:end)")
    }
    require((0...1).contains(teacherMinimum), .teacherMinimum, teacherMinimum, "a ratio within 0...1")
    require((1...most).contains(stages), .stages, stages, "1...\(most)")
    require(hold >= 0 && hold < 1, .hold, hold, "a fraction of training from 0 to below 1")
    nested.problems(layers: layers) { name, value, expected in require(false, name, value, expected) }
    if problems.isEmpty, !rangeHasItsEndsInOrder {
      problems.append(.init(.studentMinimum, "is \(studentMinimum), above student-max \(studentMaximum) at some moment"))
    }
    if !problems.isEmpty { throw CurriculumError.invalidOptions(problems) }
  }

  /// Between their kinks both ramps are straight, so looking there and at the ends is enough.
  private var rangeHasItsEndsInOrder: Bool {
    [0, studentMinimum.reached, studentMaximum.reached, 1].allSatisfy {
      studentMinimum.value(at: $0) <= studentMaximum.value(at: $0)
    }
  }

  /// Progress within 0...1, stretched so that the last `hold` of training stays at 1.
  func held(_ progress: Double) -> Double { progress > 0 ? min(progress / (1 - hold), 1) : 0 }

  /// The plan of the three ramps at a moment, before a layer.
  func plan(layer: Int, at progress: Double) -> PlannedStage {
    let low = studentMinimum.value(at: progress)
    // Where both ramps meet, rounding could put the upper end an ulp below the lower one.
    let high = max(low, studentMaximum.value(at: progress))
    return PlannedStage(layer: layer, studentRatios: low...high, gap: gap.value(at: progress), teacherMinimum: teacherMinimum)
  }

  /// ℓ(β) = Round(L − β(L − ℓ_min)), equation 9 of the paper.
  func layer(at progress: Double) -> Int {
    rounding(Double(layers) - progress * Double(layers - layer))
  }
}
