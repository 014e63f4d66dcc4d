import Compression
import Distillation
import LLaVA

/// Rows of a micro-batch in each decoder layer, at most, for the branches of a step.
struct RowsInLayers: Equatable {
  /// Rows that keep activations, by layer; branches that have lost nothing yet are the same rows.
  var recorded: [Double]
  /// The teacher's rows from the layer on where it leaves the others; nil without one.
  var teacher: Double?
  /// Layers that the others have passed when the teacher's rows go on, and whether another model computes them, before all else.
  var teacherLayer = 0, isFrozen = false
  /// Ways to see the samples that learn.
  var students: Int
  /// Whether some of them are compared with others or with the teacher.
  var compares: Bool

  /// Whether numbers of tokens are drawn, so that hardly two steps have the same shapes.
  var draws = false

  /// Logits that exist side by side.
  var sides: Int { students + (teacher == nil ? 0 : 1) }

  /// What each kind of step of a run has.
  ///
  /// Numbers of tokens and layers are drawn: of tokens the most are taken, of layers the first and the last.
  /// - Throws: `CompressionError`, and what a curriculum's constants throw.
  static func all(_ setting: MemorySetting) throws -> [RowsInLayers] {
    let (configuration, layers) = (setting.configuration, setting.model.text.layers)
    let (samples, text) = (Double(setting.batch.samples), Double(setting.batch.text))
    if let plan = try configuration.fixedPlan() {
      let pictures = Double(setting.batch.pictures)
      let kept = try setting.model.tokens(of: plan).decoder
      let rows = kept.map { samples * (text + pictures * Double($0)) }
      return [RowsInLayers(recorded: rows, students: 1, compares: false)]
    }
    guard let curriculum = try configuration.makeCurriculum(for: setting.model) else {
      let rows = samples * (text + Double(setting.visual))
      return [RowsInLayers(recorded: Array(repeating: rows, count: layers), students: 1, compares: false)]
    }
    let cuts = Set(try configuration.reducers().map { $0.sites.first == .decoder })
    let steps = max(1, configuration.steps ?? 1000)
    // The first steps one by one, as kinds of steps take turns, and then some of the whole run.
    let places = Set(0..<min(steps, 16)).union((0...16).map { Int(Double(steps - 1) * Double($0) / 16) })
    var found: [RowsInLayers] = []
    for place in places.sorted() {
      let step = curriculum.branches(step: place, of: steps)
      for isFirst in [true, false] {
        for cutsInDecoder in cuts {
          let rows = RowsInLayers(step, setting, cutsAtFirst: isFirst, cutsInDecoder: cutsInDecoder)
          if !found.contains(rows) { found.append(rows) }
        }
      }
    }
    return found
  }

  private init(recorded: [Double], students: Int, compares: Bool) {
    (self.recorded, self.students, self.compares) = (recorded, students, compares)
  }

  private init(_ step: PlannedStep, _ setting: MemorySetting, cutsAtFirst: Bool, cutsInDecoder: Bool) {
    let (layers, weight) = (setting.model.text.layers, setting.configuration.distillationOptions.divergenceWeight)
    let (samples, text, visual) = (Double(setting.batch.samples), Double(setting.batch.text), Double(setting.visual))
    let total = setting.model.pictureLayout.count
    let whole = samples * (text + visual)
    /// Where a branch leaves the others, and its rows from there on; the last layer and none where it loses nothing.
    let ways = step.branches.map { branch -> (layer: Int, rows: Double) in
      let kept = visual * Double(branch.tokens(of: total).upperBound) / Double(max(1, total))
      let cut = cutsInDecoder ? (cutsAtFirst ? branch.layers.min() : branch.layers.max()) ?? layers : 0
      return kept >= visual ? (layers, whole) : (min(cut, layers), samples * (text + kept.rounded(.up)))
    }
    recorded = (0..<layers).map { layer in
      let shared = ways.contains { $0.layer > layer } ? whole : 0
      return ways.reduce(shared) { $0 + ($1.layer <= layer ? $1.rows : 0) }
    }
    students = step.branches.count
    draws = step.branches.contains { branch in
      switch branch.amount {
      case .all: false
      case .ratios(let range): range.lowerBound < range.upperBound
      case .tokens(let range): range.lowerBound < range.upperBound
      case .choices: true
      }
    }
    let asks = step.asksTeacher(weight: weight)
    compares = asks || step.branches.contains { !$0.pulls.isEmpty }
    guard asks, let taught = step.teacher else { return }
    (teacher, isFrozen) = (whole, taught == .frozen)
    teacherLayer = isFrozen ? 0 : ways.map(\.layer).min() ?? 0
  }
}
