import Distributed
import LLaVA
import Synchronization
import Torch

/// Weights, their gradients and what the optimizer keeps of them, of which every process holds an N-th (ZeRO's third stage, arXiv
/// 1910.02054).
///
/// A unit's weights are brought together before they are used, the next unit's ahead of time, and let go behind it. Its gradients are
/// sent as the backward pass goes, each process all of its part, and added in the order of ranks. So sums are the same bits for any number
/// of processes.
final class WeightShards: Sendable {
  /// This process's parts of the trained weights.
  let parts: [TrainedParameter]
  private let world: Communicator
  private let units: [WeightUnit]
  private let own: ModelUnits
  private let frozen: ModelUnits?
  /// Bytes of the largest decoder layer.
  private let largestLayer: Int
  private let state: Mutex<State>

  /// Where the pass is, and what came of it.
  private struct State {
    var sequence: [WeightSequence.Move] = []
    var cursor = 0
    var hasBegun = false
    /// True while answers are written, which use weights in no order that is known before.
    var isRound = false
    var held: Set<Int> = []
    /// Units on their way.
    var gathering: [Int: [Communicator.Transfer]] = [:]
    /// Gradients on their way, of a unit's rows by number.
    var reducing: (unit: Int, transfers: [(row: Int, transfer: Communicator.Transfer)])?
    /// By unit and row the sum of all processes' gradients of this process's part; nil before there is one.
    var sums: [[Tensor?]]
    /// Which trained weights had a gradient here.
    var present: [Bool]

    /// The unit that is brought together next.
    var nextGathered: Int? {
      for case .gather(let unit) in sequence[(cursor + 1)...] { return unit }
      return nil
    }
  }

  /// Divides a model, and a frozen one beside it, which may share weights with it.
  ///
  /// - Parameter value: the elements of a weight, which are needed for a moment only.
  /// - Returns: the shards, and both models with memory only for what is being used.
  static func divide(
    _ model: LLaVAModel, frozen: LLaVAModel?, _ trained: [TrainedParameter], _ world: Communicator,
    value: (Tensor) throws -> Tensor
  ) throws -> (shards: WeightShards, model: LLaVAModel, frozen: LLaVAModel?) {
    let numbers = Dictionary(uniqueKeysWithValues: trained.enumerated().map { (ObjectIdentifier($1.tensor), $0) })
    var (keys, members): ([String], [String: [Parameter]]) = ([], [:])
    var placed: Set<ObjectIdentifier> = []
    for (prefix, found) in [("", model), ("frozen ", frozen)] {
      for parameter in found?.parameters.parameters ?? [] where placed.insert(ObjectIdentifier(parameter.tensor)).inserted {
        let key = prefix + ModelUnits.key(parameter)
        if members[key] == nil { keys.append(key) }
        members[key, default: []].append(parameter)
      }
    }
    var (units, views, places): ([WeightUnit], [ObjectIdentifier: Tensor], [ObjectIdentifier: Int]) = ([], [:], [:])
    for key in keys {
      let tensors = (members[key] ?? []).map(\.tensor)
      var kinds: [[Tensor]] = []
      for tensor in tensors {
        func isKin(_ other: Tensor) -> Bool {
          other.dtype == tensor.dtype && (numbers[ObjectIdentifier(other)] == nil) == (numbers[ObjectIdentifier(tensor)] == nil)
        }
        if let kind = kinds.firstIndex(where: { isKin($0[0]) }) { kinds[kind].append(tensor) } else { kinds.append([tensor]) }
      }
      let rows = try kinds.map { try WeightUnit.Row($0, numbers: $0.compactMap { numbers[ObjectIdentifier($0)] }, world, value) }
      for (kind, row) in zip(kinds, rows) {
        for (old, new) in zip(kind, row.weights) {
          (views[ObjectIdentifier(old)], places[ObjectIdentifier(old)]) = (new, units.count)
        }
      }
      units.append(WeightUnit(rows: rows))
    }
    func modelUnits(_ model: LLaVAModel) -> ModelUnits {
      let own = model.parameters.parameters.compactMap { parameter in
        places[ObjectIdentifier(parameter.tensor)].map { (parameter.name, $0) }
      }
      let groups = model.parameters.parameters.filter { numbers[ObjectIdentifier($0.tensor)] != nil }.map(\.group)
      return ModelUnits(model, Dictionary(own) { first, _ in first }, trained: Set(groups))
    }
    let shards = try WeightShards(world, units, modelUnits(model), frozen.map(modelUnits), trained)
    func holding(_ model: LLaVAModel, _ units: ModelUnits) throws -> LLaVAModel {
      try model.holding(Lent(shards: shards, units: units)) { views[ObjectIdentifier($0.tensor)] ?? $0.tensor }
    }
    let teacher = try frozen.flatMap { frozen in try shards.frozen.map { try holding(frozen, $0) } }
    return (shards, try holding(model, shards.own), teacher)
  }

  private init(
    _ world: Communicator, _ units: [WeightUnit], _ own: ModelUnits, _ frozen: ModelUnits?, _ trained: [TrainedParameter]
  ) throws {
    (self.world, self.units, self.own, self.frozen) = (world, units, own, frozen)
    largestLayer = own.layers.map { $0.reduce(0) { $0 + units[$1].byteCount } }.max() ?? 0
    parts = try withoutGradient {
      try units.flatMap(\.rows).filter(\.isTrained).flatMap { row in
        try row.layout.pieces(of: world.rank).map { piece in
          try trained[row.numbers[piece.weight]].part(
            piece.range, row.part.narrow(0, from: piece.place, length: piece.range.count))
        }
      }
    }
    state = Mutex(State(sums: units.map { $0.rows.map { _ in nil } }, present: trained.map { _ in false }))
  }

  /// A model's view of the shards.
  private struct Lent: GatheredWeights {
    let shards: WeightShards
    let units: ModelUnits

    func begin(_ pass: WeightPass) throws { try shards.begin(pass) }
    func need(_ part: WeightPart) throws { try shards.need(units.units(of: part), part) }
  }

  // MARK: - A pass

  /// Agrees on a sequence with all other processes.
  ///
  /// - Parameter pass: what this process is going to use; nil for nothing.
  private func begin(_ pass: WeightPass?) throws {
    let layers = own.layers.count
    var flags = [Int](repeating: 0, count: layers + 4)
    for layer in pass?.departures ?? [] { flags[layer] = 1 }
    if let pass {
      flags.replaceSubrange(layers..., with: [true, pass.asksFrozen, pass.readsText, pass.recordsGradients].map { $0 ? 1 : 0 })
    }
    let all = try world.maximum(flags).map { $0 > 0 }
    let agreed = WeightPass(
      departures: Set((0..<layers).filter { all[$0] }), asksFrozen: all[layers + 1], readsText: all[layers + 2],
      recordsGradients: all[layers + 3])
    let sequence = WeightSequence(own, frozen: frozen, agreed) { self.units[$0].isTrained }
    walk(all[layers] ? sequence.moves : [])
  }

  /// Begins to walk all weights in the order of the model's list, and some of them once more, for files.
  func beginSaving(then others: [String] = []) { walk(WeightSequence(walking: own, then: others).moves) }

  private func walk(_ moves: [WeightSequence.Move]) {
    state.withLock { state in
      (state.sequence, state.cursor, state.hasBegun) = (moves, 0, true)
    }
  }

  private func need(_ wanted: [Int], _ part: WeightPart) throws {
    try state.withLock { state in
      while wanted.contains(where: { !state.held.contains($0) }) {
        if state.cursor >= state.sequence.count {
          guard state.isRound, try beginRound(&state, wants: true) else { throw ShardingError.outOfTurn(part: "\(part)") }
        }
        try makeMove(&state)
      }
    }
  }

  /// Takes part in what is left of a pass, or in all of one in which this process computes nothing.
  ///
  /// - Throws: `CommunicatorError.lost`.
  func finishPass() throws {
    if !state.withLock(\.hasBegun) { try begin(nil) }
    try state.withLock { state in
      while state.cursor < state.sequence.count { try makeMove(&state) }
      try settle(&state)
      (state.sequence, state.cursor, state.hasBegun) = ([], 0, false)
    }
  }

  // MARK: - Answers

  /// Does work that uses weights in any order, such as writing answers; all processes call this, each with as much work as it has.
  ///
  /// All weights are brought together round after round, in the order of a pass, for as long as any process wants something: one whose work is
  /// done takes part until all others' is.
  /// - Throws: what the work throws; `CommunicatorError.lost`.
  func inRounds<Result>(_ work: () throws -> Result) throws -> Result {
    state.withLock { $0.isRound = true }
    defer { state.withLock { $0.isRound = false } }
    let result = Swift.Result { try work() }
    try state.withLock { state in
      repeat { while state.cursor < state.sequence.count { try makeMove(&state) } } while try beginRound(&state, wants: false)
      (state.sequence, state.cursor, state.hasBegun) = ([], 0, false)
    }
    return try result.get()
  }

  /// Agrees with all other processes on one more round; false where none wants one.
  private func beginRound(_ state: inout State, wants: Bool) throws -> Bool {
    let isWanted = try world.maximum([wants ? 1 : 0])[0] > 0
    let pass = WeightPass(departures: [], asksFrozen: false, readsText: true, recordsGradients: false)
    let moves = isWanted ? WeightSequence(own, frozen: nil, pass) { self.units[$0].isTrained }.moves : []
    (state.sequence, state.cursor) = (moves, 0)
    return isWanted
  }

  private func makeMove(_ state: inout State) throws {
    defer { state.cursor += 1 }
    try withoutGradient {
      switch state.sequence[state.cursor] {
      case .gather(let unit):
        for transfer in try state.gathering.removeValue(forKey: unit) ?? units[unit].startGathering(world) { try transfer.wait() }
        state.held.insert(unit)
        // The next one travels while this one is used, but for parts so large that two at once would be too much.
        if let next = state.nextGathered, !state.held.contains(next), units[next].byteCount <= largestLayer {
          state.gathering[next] = try units[next].startGathering(world)
        }
      case .release(let unit):
        try units[unit].release()
        state.held.remove(unit)
      case .reduce(let unit):
        try settle(&state)
        var transfers: [(row: Int, transfer: Communicator.Transfer)] = []
        for (index, row) in units[unit].rows.enumerated() where row.isTrained {
          transfers.append((index, try world.startExchanging(row.takeGradients { state.present[$0] = true })))
        }
        state.reducing = (unit, transfers)
      }
    }
  }

  /// Adds up the gradients that are on their way.
  private func settle(_ state: inout State) throws {
    guard let (unit, transfers) = state.reducing else { return }
    state.reducing = nil
    try withoutGradient {
      for (row, transfer) in transfers {
        let found = try transfer.wait().reshaped([world.count, -1])
        for rank in 0..<world.count {
          let part = try found.selected(0, rank)
          state.sums[unit][row] = try state.sums[unit][row].map { try $0.addInPlace(part) } ?? part.copy()
        }
      }
    }
  }

  // MARK: - A step

  /// Gives the sums of all passes to this process's parts as their gradients, where any process had one.
  ///
  /// - Throws: `CommunicatorError.lost`.
  func finishStep() throws {
    let present = try world.maximum(state.withLock { $0.present.map { $0 ? 1 : 0 } })
    let sums = state.withLock { state in
      defer {
        state.sums = units.map { $0.rows.map { _ in nil } }
        state.present = present.map { _ in false }
      }
      return state.sums
    }
    var rest = parts[...]
    try withoutGradient {
      for (unit, sums) in zip(units, sums) {
        for (row, sum) in zip(unit.rows, sums) where row.isTrained {
          for piece in row.layout.pieces(of: world.rank) {
            guard let part = rest.popFirst(), present[row.numbers[piece.weight]] > 0 else { continue }
            try part.tensor.setGradient(sum?.narrow(0, from: piece.place, length: piece.range.count))
          }
        }
      }
    }
  }
}

/// A mistake in the order in which weights are used.
enum ShardingError: Error, CustomStringConvertible {
  /// A part is asked for that no process said it would use.
  case outOfTurn(part: String)

  var description: String {
    switch self {
    case .outOfTurn(let part):
      "the weights of \(part) are asked for out of turn; please report this, and train with distributed.shard=optimizer"
    }
  }
}
