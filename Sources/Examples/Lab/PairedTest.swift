import Foundation

/// Student's paired t-test: whether the mean of differences could be 0.
public struct PairedTest: Sendable, Equatable {
  /// Number of differences.
  public let count: Int
  /// Their mean.
  public let mean: Double
  /// Their standard deviation, with n − 1; 0 for fewer than two.
  public let deviation: Double
  /// How many are above 0, and below.
  public let above: Int, below: Int

  /// A test of differences.
  public init(_ differences: [Double]) {
    count = differences.count
    let mean = differences.reduce(0, +) / Double(max(1, differences.count))
    self.mean = mean
    deviation =
      differences.count < 2
      ? 0 : (differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(differences.count - 1)).squareRoot()
    above = differences.count { $0 > 0 }
    below = differences.count { $0 < 0 }
  }

  /// The two-sided probability of a mean at least as far from 0 where the true one is 0; nil for fewer than two differences.
  public var probability: Double? {
    if count < 2 { return nil }
    if deviation == 0 { return mean == 0 ? 1 : 0 }
    let t = mean / (deviation / Double(count).squareRoot())
    let freedom = Double(count - 1)
    return Self.incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
  }

  /// The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (Numerical Recipes, 6.4).
  static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    let logBeta: Double = lgamma(a) + lgamma(b) - lgamma(a + b)
    let front: Double = exp(a * log(x) + b * log(1 - x) - logBeta)
    // The fraction converges fast on this side; the other follows from symmetry.
    return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b
  }

  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    func nonzero(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
    var c = 1.0
    var d = 1 / nonzero(1 - (a + b) * x / (a + 1))
    var h = d
    for m in 1...300 {
      let m = Double(m)
      let (odd, even, next) = (a + 2 * m - 1, a + 2 * m, a + 2 * m + 1)
      let down: Double = m * (b - m) * x / (odd * even)
      let up: Double = (a + m) * (a + b + m) * x / (even * next)
      for term in [down, -up] {
        d = 1 / nonzero(1 + term * d)
        c = nonzero(1 + term / c)
        h *= d * c
      }
      if abs(d * c - 1) < 1e-14 { break }
    }
    return h
  }
}
