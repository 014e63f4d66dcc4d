/// A number with the range in which it lies.
public struct Estimate: Sendable, Equatable, Codable {
  /// The number.
  public let value: Double
  /// The lower end of its 95 % interval.
  public let lower: Double
  /// The upper end.
  public let upper: Double

  /// 95 % of a normal distribution lie within as many standard deviations.
  static let z = 1.959_963_984_540_054

  init(value: Double, lower: Double, upper: Double) {
    self.value = value
    self.lower = lower
    self.upper = upper
  }

  /// A share with Wilson's score interval: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).
  ///
  /// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Unlike p ± z √(p(1−p)/n) it
  /// stays in 0...1 and has a width at 0 and 1.
  ///
  /// - Parameters:
  ///   - successes: 0...`count`.
  ///   - count: at least 1.
  public static func wilson(successes: Int, of count: Int) -> Estimate {
    let (n, p) = (Double(count), Double(successes) / Double(count))
    let square = z * z
    let center = p + square / (2 * n)
    let half = z * (p * (1 - p) / n + square / (4 * n * n)).squareRoot()
    let scale = 1 + square / n
    // At both ends one bound is exact; rounding must not move it.
    return Estimate(
      value: p, lower: successes == 0 ? 0 : (center - half) / scale, upper: successes == count ? 1 : (center + half) / scale)
  }
}

extension BenchmarkScore {
  /// The score with its 95 % interval, within 0...``maximum``.
  ///
  /// Wilson's interval where the score is a share of right and wrong; else value ± 1.96 standard errors. Of a weighted sum of means
  /// the squared standard error is Σ_c e_c² · C/(C−1), where e_c sums weight · (x − mean) / n over the C clusters' units: for one part
  /// and single units this is s²/n. Miller, "Adding error bars to evals" (arXiv 2411.00640), section 2.
  ///
  /// - Parameter clusteredByImage: take questions about one picture for one cluster, since they are right and wrong together. It widens
  ///   the interval of POPE and GQA, which ask many.
  public func estimate(clusteredByImage: Bool = false) -> Estimate {
    if !clusteredByImage, let only = strata.first, strata.count == 1, only.weight == maximum, !only.units.isEmpty,
      only.units.allSatisfy({ $0.value == 0 || $0.value == 1 })
    {
      let share = Estimate.wilson(successes: only.units.count { $0.value == 1 }, of: only.units.count)
      return Estimate(value: value, lower: maximum * share.lower, upper: maximum * share.upper)
    }
    guard let error = Self.standardError(strata, clusteredByImage: clusteredByImage) else {
      return Estimate(value: value, lower: 0, upper: maximum)
    }
    return Estimate(
      value: value, lower: max(0, value - Estimate.z * error), upper: min(maximum, value + Estimate.z * error))
  }

  /// How much higher this score is than another over the same questions, with its 95 % interval.
  ///
  /// The differences of pairs are averaged, so what makes a question hard for both cancels: Miller, section 4.2.
  ///
  /// - Parameter clusteredByImage: as in ``estimate(clusteredByImage:)``.
  /// - Throws: `EvaluationError.incomparable` for other questions, another split or another scorer.
  public func difference(to other: BenchmarkScore, clusteredByImage: Bool = false) throws -> Estimate {
    for (what, one, two) in [
      ("benchmarks", benchmark, other.benchmark), ("splits", split, other.split), ("prompts", prompt, other.prompt),
      ("scorers", scorer, other.scorer),
    ] where one != two {
      throw EvaluationError.incomparable("their \(what) are \(one) and \(two); score both alike")
    }
    let mine = strata.map { $0.units.map(\.id) }
    guard mine == other.strata.map({ $0.units.map(\.id) }) else {
      throw EvaluationError.incomparable("they are of different questions; leave the same ones out of both")
    }
    let pairs = zip(strata, other.strata).map { one, two in
      Stratum(
        name: one.name, weight: one.weight,
        units: zip(one.units, two.units).map { Unit(id: $0.id, value: $0.value - $1.value, cluster: $0.cluster) })
    }
    let change = value - other.value
    guard let error = Self.standardError(pairs, clusteredByImage: clusteredByImage) else {
      return Estimate(value: change, lower: -maximum, upper: maximum)
    }
    return Estimate(value: change, lower: change - Estimate.z * error, upper: change + Estimate.z * error)
  }

  /// The standard error of Σ weight · mean(units); nil for a single cluster, which says nothing about it.
  private static func standardError(_ strata: [Stratum], clusteredByImage: Bool) -> Double? {
    var residuals: [String: Double] = [:]
    for (index, stratum) in strata.enumerated() {
      let mean = stratum.mean
      for unit in stratum.units {
        // A unit's id is unique in its part of the benchmark only.
        let cluster = clusteredByImage ? unit.cluster : "\(index) \(unit.id)"
        residuals[cluster, default: 0] += stratum.weight * (unit.value - mean) / Double(stratum.units.count)
      }
    }
    guard residuals.count > 1 else { return nil }
    let count = Double(residuals.count)
    // Summed in order of size, so that a dictionary's order never shows.
    let sum = residuals.values.map { $0 * $0 }.sorted().reduce(0, +)
    return (sum * count / (count - 1)).squareRoot()
  }
}
