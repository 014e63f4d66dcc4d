import Distributed
import LLaVA
import Torch

/// Weights that are brought together and let go at once, a decoder layer's for instance.
struct WeightUnit: Sendable {
  /// Those of them that have one type and are all trained, or all not: one row of elements.
  struct Row: Sendable {
    let layout: FlatLayout
    /// The weights as the model holds them: views of `whole`.
    let weights: [Tensor]
    /// Their numbers among all trained weights; empty where they are not trained.
    let numbers: [Int]
    /// All elements, which have memory only while the unit is there.
    let whole: Tensor
    /// This process's part.
    let part: Tensor

    /// Moves weights into a row.
    ///
    /// - Parameter value: the elements of a weight.
    init(_ given: [Tensor], numbers: [Int], _ world: Communicator, _ value: (Tensor) throws -> Tensor) throws {
      self.numbers = numbers
      layout = FlatLayout(given.map(\.count), processes: world.count)
      let (dtype, device) = (given[0].dtype, given[0].device)
      (whole, weights, part) = try withoutGradient { [layout] in
        let whole = try Tensor.zeros([layout.length * world.count], dtype, on: device)
        let views = try zip(given, layout.starts).map { weight, start in
          let view = try whole.narrow(0, from: start, length: weight.count)
          try view.copyInPlace(from: value(weight).detached().reshaped([-1]))
          return try view.reshaped(weight.shape).detached()
        }
        let part = try whole.narrow(0, from: layout.length * world.rank, length: layout.length).copy()
        try whole.releaseMemory()
        return (whole, views, part)
      }
      if !numbers.isEmpty { for weight in weights { try weight.requiringGradient() } }
    }

    var isTrained: Bool { !numbers.isEmpty }

    /// The gradients of all weights, zeros where there is none, and takes them off: [processes · length].
    ///
    /// - Parameter note: is told the number of each weight that has one.
    func takeGradients(_ note: (Int) -> Void) throws -> Tensor {
      let row = try Tensor.zeros(whole.shape, whole.dtype, on: whole.device)
      for (place, weight) in weights.enumerated() {
        guard let gradient = try weight.gradient() else { continue }
        try row.narrow(0, from: layout.starts[place], length: layout.counts[place]).copyInPlace(from: gradient.reshaped([-1]))
        try weight.setGradient(nil)
        note(numbers[place])
      }
      return row
    }
  }

  let rows: [Row]

  var isTrained: Bool { rows.contains(where: \.isTrained) }

  /// Bytes of all of it.
  var byteCount: Int { rows.reduce(0) { $0 + $1.whole.byteCount } }

  /// Starts bringing the unit together.
  func startGathering(_ world: Communicator) throws -> [Communicator.Transfer] {
    try rows.map { row in
      try row.whole.takeMemory()
      return try world.startGathering(row.part, into: row.whole)
    }
  }

  /// Lets the unit go but for this process's part.
  func release() throws { for row in rows { try row.whole.releaseMemory() } }
}
