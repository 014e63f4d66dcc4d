import Distributed
import Torch

/// The 2-norm of all gradients, the same bits however weights and gradients are divided among processes.
///
/// Squares of 64 neighbouring elements are added in float64. These sums are then added as whole numbers, whose sum is the same in any order.
/// So a process may have any part of a weight that begins at a multiple of 64 elements.
struct GradientNorm {
  /// Elements whose squares are added first.
  static let block = 64
  /// Elements that are brought to float64 at a time.
  private static let elementsAtOnce = 1 << 22

  /// The norm; 0 where there are no gradients.
  let value: Double
  /// The weight with the largest sum of squares of one block; of those with one that is not finite, any.
  let largest: String?

  /// What a process tells the others first.
  private struct Extent: Codable {
    var blocks: Int
    /// The bits of the largest sum, as text for numbers knows none that are not finite.
    var largest: UInt64
    var weight: String?
  }

  /// - Parameter gradients: those that this process has, with the names of their weights.
  /// - Throws: `CommunicatorError.lost`, `TorchError`.
  init(of gradients: [(weight: String, gradient: Tensor)], among world: Communicator) throws {
    let gradients = gradients.filter { $0.gradient.count > 0 }
    let sums = try gradients.map { try Self.sums($0.gradient) }
    // Brought together where they are, so that the host waits once.
    let maxima = try sums.isEmpty ? [] : stack(sums.map { try $0.max().to(sums[0].device) }).array(Double.self)
    let place = maxima.firstIndex { !$0.isFinite } ?? maxima.indices.max { maxima[$0] < maxima[$1] }
    let own = Extent(
      blocks: sums.reduce(0) { $0 + $1.count }, largest: (place.map { maxima[$0] } ?? 0).bitPattern,
      weight: place.map { gradients[$0].weight })
    let all = try world.gathered(own)
    func size(_ extent: Extent) -> Double { Double(bitPattern: extent.largest) }
    let found = all.first { !size($0).isFinite } ?? all.max { size($0) < size($1) } ?? own
    largest = found.weight
    guard size(found).isFinite, size(found) > 0 else {
      value = size(found)
      return
    }
    // As many bits as leave room for the sum of all; what is lost below them goes into a second number of as many.
    let blocks = all.reduce(1) { $0 + $1.blocks }
    let bits = Int.bitWidth - 3 - (Int.bitWidth - blocks.leadingZeroBitCount)
    let scale = bits - Int(size(found).exponent) - 1
    func power(_ exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: 1) }
    var whole = [0, 0]
    for part in sums {
      let scaled = try part * power(scale)
      let high = try scaled.rounded()
      let low = try ((scaled - high) * power(bits)).rounded()
      for (index, numbers) in [high, low].enumerated() {
        whole[index] &+= try numbers.to(.int64).sum().array(Int.self)[0]
      }
    }
    let total = try world.gathered(whole).reduce([0, 0]) { [$0[0] &+ $1[0], $0[1] &+ $1[1]] }
    value = ((Double(total[0]) + Double(total[1]) * power(-bits)) * power(-scale)).squareRoot()
  }

  /// Sums of the squares of each block, float64; the last block may be shorter.
  private static func sums(_ gradient: Tensor) throws -> Tensor {
    let flat = try gradient.reshaped([-1])
    var found: [Tensor] = []
    for start in stride(from: 0, to: flat.count, by: elementsAtOnce) {
      let count = min(elementsAtOnce, flat.count - start)
      let rest = count % block
      let squares = try flat.narrow(0, from: start, length: count).to(.float64).power(2)
      if count > rest { found.append(try squares.narrow(0, from: 0, length: count - rest).reshaped([-1, block]).sum(1)) }
      if rest > 0 { found.append(try squares.narrow(0, from: count - rest, length: rest).reshaped([1, rest]).sum(1)) }
    }
    return try found.count == 1 ? found[0] : concatenate(found)
  }
}
