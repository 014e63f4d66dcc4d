/// What a curriculum that tunes itself remembers: a running mean for each number of tokens before each layer, and what is admitted.
public struct CurriculumState: Sendable, Equatable, Codable {
  /// A number of tokens before a layer.
  public struct Cell: Sendable, Equatable, Codable {
    /// Its first divergence and the running mean, in nats per position; nil before it was seen.
    public private(set) var first: Double?, divergence: Double?
    /// How often it was seen.
    public private(set) var count = 0
    /// The step after which it was last seen.
    public private(set) var step: Int?

    /// Adds an observation to the mean, which forgets those before the last `memory`.
    mutating func add(_ value: Double, step: Int, over memory: Int) {
      count = min(count, memory - 1) + 1
      first = first ?? value
      let before = divergence ?? value
      divergence = before + (value - before) / Double(count)
      self.step = step
    }
  }

  /// Numbers of visual tokens that stay, from large to small.
  public let budgets: [Int]
  /// Decoder layers before the cut, from deep to shallow.
  public let layers: [Int]
  /// The last place of either list that is admitted, as far as learning goes.
  public internal(set) var admittedBudgets = 0, admittedLayers = 0
  /// Layer after layer, each with all budgets.
  public private(set) var cells: [Cell]

  init(budgets: [Int], layers: [Int]) {
    (self.budgets, self.layers) = (budgets, layers)
    cells = Array(repeating: Cell(), count: budgets.count * layers.count)
  }

  subscript(layer: Int, budget: Int) -> Cell {
    get { cells[layer * budgets.count + budget] }
    set { cells[layer * budgets.count + budget] = newValue }
  }

  /// True where both lists are the other's and no place lies outside of them, so that a curriculum can go on with it.
  func fits(_ other: CurriculumState) -> Bool {
    budgets == other.budgets && layers == other.layers && cells.count == other.cells.count
      && budgets.indices.contains(admittedBudgets) && layers.indices.contains(admittedLayers)
  }
}
