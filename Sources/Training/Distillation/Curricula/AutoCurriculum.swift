import Foundation

/// A curriculum that tunes itself: budgets are drawn by what they still have to learn.
///
/// Numbers of tokens, and layers before which they are dropped, form a grid: numbers by equal factors from all tokens to the smallest
/// budget (two to a halving), layers from deep to shallow by equation 9 of EPIC's paper. Of each cell a running mean of the divergence from
/// the step's own branch of all tokens is kept. A step has all tokens, the hardest cell that is admitted, and one that is drawn from the
/// admitted ones in proportion to its divergence, which counts for more the longer the cell was not seen. The next smaller number, or the
/// next layer, is admitted when those admitted are within a tolerance: half of what they began with, or next to nothing. All are
/// admitted after a quarter of training, so that the wanted budget is trained for most of it.
///
/// In place of the step's own branch of all tokens the model that training began with can be the teacher, of that branch too; the divergence is
/// then that from it.
public struct AutoCurriculum: Curriculum {
  /// By then all cells are admitted.
  private static let admission = 0.25
  /// A divergence, in nats per token, that is as good as none.
  private static let negligible = 0.02
  /// Observations that a running mean is over.
  private static let memory = 8

  private let options: CurriculumOptions
  private var memory: CurriculumState

  /// Takes the smallest budget, the shallowest layer, how many layers there are on the way to it, and the teacher: `full` or `frozen`.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    let teacher = options.nested.teacher
    if teacher != .full, teacher != .frozen {
      throw CurriculumError.invalidOptions([.init(.teacher, "is \(teacher.rawValue), expected full or frozen")])
    }
    self.options = options
    let (all, last) = (Double(options.nested.tokens), Double(options.nested.smallestTokens))
    let count = max(1, Int((2 * log2(all / last)).rounded(.up)))
    let budgets = (1...count).map { Int((all * pow(last / all, Double($0) / Double(count))).rounded()) }
    let cuts = (1...options.stages).map { options.layer(at: Double($0) / Double(options.stages)) }
    memory = CurriculumState(budgets: Self.unique(budgets), layers: Self.unique(cuts))
  }

  /// From large to small, each once.
  private static func unique(_ values: [Int]) -> [Int] { Set(values).sorted(by: >) }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// Estimates, and what is admitted; a state of another grid is not taken.
  public var state: CurriculumState? {
    get { memory }
    set { if let newValue, newValue.fits(memory) { memory = newValue } }
  }

  /// All tokens, a drawn cell and the hardest one.
  public func branches(step: Int, of steps: Int) -> PlannedStep {
    let (budgets, cuts) = admitted(progress(step, of: steps))
    let hardest = BudgetChoice(layer: memory.layers[cuts], tokens: memory.budgets[budgets], weight: 1)
    let largest = memory.cells.compactMap(\.divergence).max() ?? 1
    let choices = (0...cuts).flatMap { cut in
      (0...budgets).map { budget in
        let cell = memory[cut, budget]
        let age = Double(step - (cell.step ?? step)) / Double(memory.cells.count)
        let weight = cell.divergence.map { max($0, 1e-6) * (1 + age) } ?? largest
        return BudgetChoice(layer: memory.layers[cut], tokens: memory.budgets[budget], weight: weight)
      }
    }
    let isFrozen = options.nested.teacher == .frozen
    func branch(_ role: BranchRole, _ amount: PlannedAmount) -> PlannedStep.Branch {
      let learns = isFrozen || role != .full
      return PlannedStep.Branch(
        role, layers: [role == .full ? layers : hardest.layer], amount: amount, share: 1.0 / 3,
        divergenceWeight: learns ? nil : 0, pulls: learns ? [Pull(towards: isFrozen ? .teacher : .student(0), weight: 1)] : [])
    }
    return PlannedStep(
      [branch(.full, .all), branch(.between, .choices(choices)), branch(.smallest, .choices([hardest]))],
      teacher: isFrozen ? .frozen : nil, tokens: options.nested.tokens)
  }

  /// Adds to the running means, and admits what comes next.
  public mutating func observe(_ found: [ObservedBranch], step: Int) {
    for seen in found {
      guard let cut = memory.layers.firstIndex(of: seen.layer), let budget = memory.budgets.firstIndex(of: seen.tokens),
        seen.divergence.isFinite
      else { continue }
      memory[cut, budget].add(max(0, seen.divergence), step: step, over: Self.memory)
    }
    func isLearned(_ cells: [CurriculumState.Cell]) -> Bool {
      cells.allSatisfy { cell in
        guard let now = cell.divergence, let first = cell.first else { return false }
        return now <= max(Self.negligible, first / 2)
      }
    }
    let (budgets, cuts) = (memory.admittedBudgets, memory.admittedLayers)
    if isLearned((0...budgets).map { memory[cuts, $0] }) {
      memory.admittedBudgets = min(budgets + 1, memory.budgets.count - 1)
    }
    if isLearned((0...cuts).map { memory[$0, budgets] }) { memory.admittedLayers = min(cuts + 1, memory.layers.count - 1) }
  }

  /// The last admitted place of either list.
  private func admitted(_ progress: Double) -> (budgets: Int, layers: Int) {
    func reached(_ count: Int, _ admitted: Int) -> Int {
      max(admitted, min(count - 1, Int((Double(count - 1) * min(1, progress / Self.admission)).rounded())))
    }
    return (reached(memory.budgets.count, memory.admittedBudgets), reached(memory.layers.count, memory.admittedLayers))
  }

  static let definition = CurriculumDefinition(
    "auto", "several budgets in one step, drawn by what they still have to learn",
    uses: [.layers, .layer, .rounding, .stages, .visualTokens, .smallest, .teacher], presets: [.nested: CurriculumOptions()]
  ) { try AutoCurriculum($0) }
}
