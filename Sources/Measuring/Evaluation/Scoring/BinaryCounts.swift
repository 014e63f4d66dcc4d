/// How often yes and no were right and wrong, yes being positive.
struct BinaryCounts: Sendable, Equatable {
  private(set) var truePositives = 0
  private(set) var falsePositives = 0
  private(set) var trueNegatives = 0
  private(set) var falseNegatives = 0
  private(set) var count = 0
  private var right = 0
  private var saidYes = 0
  private let ignoresOther: Bool

  /// - Parameter ignoresOther: an answer that is neither counts in no cell, as in lmms-eval; else it is no yes.
  init(_ verdicts: [POPE.Verdict], ignoresOther: Bool = false) {
    self.ignoresOther = ignoresOther
    count = verdicts.count
    for verdict in verdicts {
      if verdict.answer == verdict.label { right += 1 }
      if verdict.answer == true { saidYes += 1 }
      switch (verdict.label, verdict.answer) {
      case (true, true): truePositives += 1
      case (false, true): falsePositives += 1
      case (true, false): falseNegatives += 1
      case (false, false): trueNegatives += 1
      case (_, nil) where ignoresOther: break
      case (true, nil): falseNegatives += 1
      case (false, nil): trueNegatives += 1
      }
    }
  }

  /// Nil without a positive answer, where the original divides by zero.
  var precision: Double? { ratio(truePositives, truePositives + falsePositives) }
  /// Nil without a positive label.
  var recall: Double? { ratio(truePositives, truePositives + falseNegatives) }
  /// 2 TP / (2 TP + FP + FN), which is the harmonic mean of precision and recall where there is one, and 0 where there is none.
  var f1: Double { ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives) ?? 0 }
  var accuracy: Double { ratio(right, count) ?? 0 }
  var yesRatio: Double { ratio(saidYes, count) ?? 0 }

  private func ratio(_ part: Int, _ whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }

  func figures(_ name: String) -> [(String, Double)] {
    let shares = [("f1", f1), ("accuracy", accuracy), ("precision", precision), ("recall", recall), ("yes-ratio", yesRatio)]
    let counts = [("tp", truePositives), ("fp", falsePositives), ("tn", trueNegatives), ("fn", falseNegatives)]
    return shares.compactMap { share in share.1.map { ("\(name)/\(share.0)", 100 * $0) } }
      + counts.map { ("\(name)/\($0) (count)", Double($1)) }
  }

  /// F1 as a mean over answers: F1 + (2 tp − F1 (2 tp + fp + fn)) / D for each, where D is the mean of 2 tp + fp + fn.
  ///
  /// F1 is a ratio of two means; to first order its error is that of the mean of these pseudo-values (linearisation of a ratio, Cochran,
  /// "Sampling Techniques", chapter 6). So intervals and paired differences are those of means.
  func stratum(_ name: String, _ verdicts: [POPE.Verdict], weight: Double) -> BenchmarkScore.Stratum {
    let denominator = Double(2 * truePositives + falsePositives + falseNegatives) / Double(max(1, count))
    let units = verdicts.map { verdict in
      let own = BinaryCounts([verdict], ignoresOther: ignoresOther)
      let (top, bottom) = (2 * own.truePositives, 2 * own.truePositives + own.falsePositives + own.falseNegatives)
      let influence = denominator == 0 ? 0 : (Double(top) - f1 * Double(bottom)) / denominator
      return BenchmarkScore.Unit(id: verdict.id, value: f1 + influence, cluster: verdict.image)
    }
    return BenchmarkScore.Stratum(name: name, weight: weight, units: units)
  }
}
