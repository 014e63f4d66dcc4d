import Foundation

/// Nested consistency distillation: several budgets of the same samples in one step, all tokens among them, from one trunk.
///
/// A step has a branch with all tokens, one with the smallest budget, and some between, whose numbers of tokens are drawn log-uniform for
/// each sample: each from its own part of the range, so that they stay in order. Together they make one model that serves all budgets.
/// Nothing in this comes from EPIC's paper; the idea of several sizes in one step is that of nested (Matryoshka) representations.
public struct NestedCurriculum: Curriculum {
  private let options: CurriculumOptions

  /// Takes the constants.
  ///
  /// - Throws: `CurriculumError.invalidOptions`.
  public init(_ options: CurriculumOptions) throws {
    try options.validate()
    self.options = options
  }

  /// Number of layers of the decoder.
  public var layers: Int { options.layers }

  /// The budgets of a step.
  public func branches(step: Int, of steps: Int) -> PlannedStep {
    let nested = options.nested
    let held = options.held(progress(step, of: steps))
    let smallest = smallest(at: held)
    let cuts = cuts(at: held)
    if nested.mixes { return mixed(smallest, cuts) }
    func branch(_ role: BranchRole, _ amount: PlannedAmount) -> PlannedStep.Branch {
      PlannedStep.Branch(role, layers: role == .full ? [layers] : cuts, amount: amount, share: share(role))
    }
    var found: [PlannedStep.Branch] = []
    if nested.fullEvery > 0, step % nested.fullEvery == 0 { found.append(branch(.full, .all)) }
    found += between(smallest).map { branch(.between, .tokens($0)) }
    found.append(branch(.smallest, .tokens(smallest...smallest)))
    // Shares that leave a step nothing are those of an even one.
    let sum = found.reduce(0) { $0 + $1.share }
    for place in found.indices {
      found[place].share = sum > 0 ? found[place].share / sum : 1 / Double(found.count)
      found[place].divergenceWeight = divergenceWeight(found[place].role)
      found[place].pulls = pulls(place, of: found)
    }
    let isFrozen = nested.teacher == .frozen
    return PlannedStep(found, teacher: isFrozen ? .frozen : nil, tokens: nested.tokens)
  }

  /// One budget for each sample: log-uniform up to twice all tokens, where more than all are all.
  private func mixed(_ smallest: Double, _ cuts: [Int]) -> PlannedStep {
    let teacher: PlannedStep.Teacher? =
      switch options.nested.teacher {
      case .none: nil
      case .frozen: .frozen
      case .full, .chain, .mutual, .mean: .whole
      }
    let branch = PlannedStep.Branch(
      .mixed, layers: cuts, amount: .tokens(smallest...2 * Double(options.nested.tokens)), share: 1,
      divergenceWeight: options.nested.divergenceWeights?[1],
      pulls: teacher == nil ? [] : [Pull(towards: .teacher, weight: 1)])
    return PlannedStep([branch], teacher: teacher, tokens: options.nested.tokens)
  }

  // MARK: - Budgets and layers in play

  /// From all tokens down to the smallest budget, by equal factors in equal times.
  private func smallest(at progress: Double) -> Double {
    let (all, last) = (Double(options.nested.tokens), Double(options.nested.smallestTokens))
    return options.nested.progression == .tokens ? max(last, all * pow(last / all, progress)) : last
  }

  /// Ranges of the budgets between, from large to small.
  private func between(_ smallest: Double) -> [ClosedRange<Double>] {
    if let ladder = options.nested.ladder {
      return ladder.sorted(by: >).map { max(smallest, Double($0)) }.map { $0...$0 }
    }
    let count = options.nested.between
    let all = Double(options.nested.tokens)
    func end(_ place: Int) -> Double { place == 0 ? all : all * pow(smallest / all, Double(place) / Double(count)) }
    return (0..<count).map { min(end($0), end($0 + 1))...end($0) }
  }

  /// Layers from deep to shallow.
  private func cuts(at progress: Double) -> [Int] {
    let isGrowing = options.nested.progression == .layers
    let standard =
      isGrowing ? (1...options.stages).map { options.layer(at: Double($0) / Double(options.stages)) } : [options.layer]
    let all = Array(Set(options.nested.cutLayers ?? standard)).sorted(by: >)
    guard isGrowing, let deepest = all.first, let shallowest = all.last else { return all }
    let reached = Double(deepest) - progress * Double(deepest - shallowest)
    return all.filter { Double($0) >= reached - 1e-9 }
  }

  // MARK: - Weights

  private static func kind(_ role: BranchRole) -> Int { role == .full ? 0 : role == .smallest ? 2 : 1 }

  private func share(_ role: BranchRole) -> Double { options.nested.shares[Self.kind(role)] }

  private func divergenceWeight(_ role: BranchRole) -> Double? {
    if let given = options.nested.divergenceWeights { return given[Self.kind(role)] }
    let learnsFromOthers = [.frozen, .mutual, .mean].contains(options.nested.teacher)
    return role == .full && !learnsFromOthers ? 0 : nil
  }

  private func pulls(_ place: Int, of branches: [PlannedStep.Branch]) -> [Pull] {
    let others = branches.indices.filter { $0 != place }
    let targets: [Pull.Target] =
      switch options.nested.teacher {
      case .none: []
      case .full: branches[place].role == .full ? [] : branches.firstIndex { $0.role == .full }.map { [.student($0)] } ?? []
      case .chain: place > 0 ? [.student(place - 1)] : []
      case .frozen: [.teacher]
      case .mutual: [place - 1, place + 1].filter(others.contains).map { .student($0) }
      case .mean: others.isEmpty ? [] : [.mean]
      }
    return targets.map { Pull(towards: $0, weight: 1 / Double(targets.count)) }
  }

  static let definition = CurriculumDefinition(
    "nested", "several budgets of the same samples in one step, all tokens among them",
    uses: [
      .layers, .layer, .rounding, .stages, .hold, .visualTokens, .smallest, .between, .ladder, .fullEvery, .mixes, .teacher,
      .progression,
      .cutLayers, .shares, .divergenceWeights,
    ],
    presets: [.nested: CurriculumOptions()]
  ) { try NestedCurriculum($0) }
}
