import LLaVA

/// The order in which all processes bring units together, let them go, and add up their gradients.
///
/// One sequence for all, whatever each of them has to compute: a process that does not need a unit takes part in bringing it together all
/// the same, and one without gradients sends zeros.
struct WeightSequence: Sendable, Equatable {
  /// A step of it, for a unit by number.
  enum Move: Sendable, Equatable {
    case gather(Int), release(Int), reduce(Int)
  }

  private(set) var moves: [Move] = []
  private var held: [Int] = []

  /// Nothing is there any more but these.
  mutating func hold(_ units: [Int]) {
    for unit in held where !units.contains(unit) { moves.append(.release(unit)) }
    held.removeAll { !units.contains($0) }
    for unit in units where !held.contains(unit) {
      moves.append(.gather(unit))
      held.append(unit)
    }
  }

  /// A pass: forward, and where it records gradients backward.
  ///
  /// - Parameters:
  ///   - frozen: the units of a frozen teacher, where there is one.
  ///   - pass: what any of the processes uses.
  ///   - isTrained: whether a unit has weights that are trained.
  init(_ own: ModelUnits, frozen: ModelUnits?, _ pass: WeightPass, isTrained: (Int) -> Bool) {
    let resident = own.resident + (frozen?.resident ?? [])
    func part(_ part: WeightPart) -> [Int] { own.units(of: part) }
    let layers = own.layers
    func encode(_ units: ModelUnits) {
      hold(resident + units.units(of: .encoder) + (pass.readsText ? units.units(of: .embeddings) : []))
    }
    encode(own)
    if pass.asksFrozen, let frozen {
      // What both share is there already.
      if frozen.units(of: .encoder) != part(.encoder) || pass.readsText { encode(frozen) }
      hold(resident + frozen.units(of: .embeddings))
      for layer in frozen.layers { hold(resident + layer) }
    }
    hold(resident + part(.embeddings))
    var start = 0
    for departure in pass.departures.sorted() {
      for layer in layers[start..<departure] { hold(resident + layer) }
      for layer in layers[departure...] { hold(resident + layer) }
      start = departure
    }
    for layer in layers[start...] { hold(resident + layer) }
    hold(resident + part(.head) + (pass.asksFrozen ? frozen?.units(of: .head) ?? [] : []))
    if pass.recordsGradients {
      // What is left is added up at the end: the input rows, which may be the output layer, and the encoder.
      let last = own.resident + part(.embeddings) + part(.encoder).filter { !part(.embeddings).contains($0) }
      func reduce(_ units: [Int]) { moves += units.filter(isTrained).map(Move.reduce) }
      reduce(part(.head).filter { !last.contains($0) })
      for layer in layers.reversed() {
        hold(resident + layer)
        reduce(layer)
      }
      hold(resident + part(.encoderGradient))
      hold([])
      reduce(last)
    }
    hold([])
  }

  /// All weights of the model's list, one unit at a time, and then those of some of its weights once more.
  init(walking own: ModelUnits, then others: [String]) {
    for name in own.names + others { hold(own.units(of: .weight(name))) }
    hold([])
  }
}
