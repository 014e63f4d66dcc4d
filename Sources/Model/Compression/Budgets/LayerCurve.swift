import Foundation

/// AutoPrune's curve of tokens over decoder layers: many in the first ones, few in the last, and a sum that is given.
///
/// The share of layer l is 0.75 / (1 + exp(k (l − x₀ − k))), times a factor that is found by bisection so that the sum comes out. Where a
/// layer's number is below that of the layer before, clusters of recycled tokens are added (`Recycling`).
struct LayerCurve {
  /// Where half of the curve's height is reached, in layers: 14.9 for 32.
  var midpoint = 14.9
  /// How steep it falls where words and picture have nothing to do with each other.
  var steepness = 0.4
  /// How much flatter it is for each bit that they have in common.
  var flattening = 0.2

  /// The curve's steepness k for so much information, in bits.
  func steepness(information: Double) -> Double { max(steepness - flattening * information, 0) }

  /// The shares of layers before any factor.
  func shares(_ layers: some Sequence<Int>, steepness k: Double) -> [Double] {
    layers.map { 0.75 / (1 + exp(k * (Double($0) - (midpoint + k)))) }
  }

  /// Tokens behind each layer.
  ///
  /// - Parameters:
  ///   - shares: of these layers, times whatever factor.
  ///   - first: tokens before them, the most that a layer can have.
  static func counts(_ shares: [Double], from first: Int) -> [Int] {
    var before = first
    return shares.map { share in
      let kept = min(Int((Double(first - 1) * min(1, share)).rounded(.up)), first)
      if kept < before { before = Recycling(keeping: kept, of: before).count }
      return before
    }
  }

  /// The factor for shares whose tokens sum up to `total`, or come nearest to it.
  static func factor(_ shares: [Double], from first: Int, sum total: Int) -> Double {
    var (low, high) = (0.0, 20.0)
    var best = (factor: 0.0, distance: Int.max)
    for _ in 0..<200 {
      let factor = (low + high) / 2
      let found = counts(shares.map { $0 * factor }, from: first).reduce(0, +)
      if abs(found - total) < best.distance { best = (factor, abs(found - total)) }
      if found == total { break }
      if found < total { low = factor } else { high = factor }
    }
    return best.factor
  }

  /// Tokens behind each of the layers that come nearest to `total` in sum.
  func counts(_ layers: some Sequence<Int>, steepness: Double, from first: Int, sum total: Int) -> [Int] {
    let shares = shares(layers, steepness: steepness)
    let factor = Self.factor(shares, from: first, sum: total)
    return Self.counts(shares.map { $0 * factor }, from: first)
  }
}
