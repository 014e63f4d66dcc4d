import Compression
import LLaVA

/// The smaller picture that tells hard questions from easy ones (`DifficultyGroups`).
public enum Difficulty: String, Sendable, CaseIterable, Codable {
  /// The tower sees a smaller picture, with interpolated positions where it has learned ones.
  case downsample
  /// Neighbouring tokens become their mean, where a tower cannot see a smaller picture.
  case pool

  /// The plan that leaves as many tokens of a smaller picture as another plan leaves; nil for one that leaves all, whose number pictures
  /// decide, or that is such a plan itself.
  ///
  /// - Throws: `CompressionError` where no smaller picture has so many tokens.
  func reference(for plan: AnswerPlan, _ configuration: LLaVAConfiguration) throws -> AnswerPlan? {
    guard let compression = plan.compression, compression.rule == nil, plan.compressor != rawValue,
      let last = compression.stages.last
    else { return nil }
    let amount: CompressionPlan.Amount = if case .share = last.amount { last.amount } else { .keep(plan.keep) }
    let site = configuration.picturesVary && self == .pool ? "@features" : ""
    return try AnswerPlan(CompressionPlan("\(rawValue):\(amount)\(site)"), for: configuration)
  }

  /// Plans with those beside them that tell how hard questions are.
  ///
  /// - Throws: `CompressionError`.
  public func completing(_ plans: [AnswerPlan], for configuration: LLaVAConfiguration) throws -> [AnswerPlan] {
    var found = plans
    for plan in plans {
      guard let reference = try reference(for: plan, configuration) else { continue }
      if !found.contains(where: { $0.id == reference.id }) { found.append(reference) }
    }
    return found
  }
}
