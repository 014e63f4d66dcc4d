import Foundation
import Torch

/// How many tokens a picture is worth: a rule by which picture and question decide, where a plan names the average alone.
///
/// A rule measures an image, and a threshold turns what it measured into a share of the image's tokens. `BudgetFit` finds the threshold at
/// which the share is a given one on average.
public enum BudgetRule: String, Sendable, CaseIterable, Codable {
  /// By how fast the distance falls at which the next token lies, if always the one is taken that is farthest from all taken before: as
  /// many tokens as lie farther than the threshold.
  ///
  /// Rows are those at the decoder's input, distances 1 − cosine. It looks at the picture alone.
  case byVariety = "by-variety"
  /// By the mutual information of question and picture in the layer before the cut, AutoPrune's as it is meant (`AutoPrune.information`): the
  /// more the words tell tokens apart, the fewer are needed; the threshold times 2^−bits.
  case byInformation = "by-information"

  /// What the rule looks at.
  var needs: ReducerNeeds {
    switch self {
    case .byVariety: ReducerNeeds(input: true)
    case .byInformation: ReducerNeeds(queries: true, keys: true)
    }
  }

  /// True where the question has a say.
  var readsPrompt: Bool { self == .byInformation }

  /// What the rule finds in an image: by variety the distance of each token, falling; by information one number, in bits.
  ///
  /// - Parameter threshold: what lies beyond it need not be found.
  /// - Throws: `CompressionError.notFinite`.
  package func measure(_ tokens: VisualTokens, threshold: Double? = nil) throws -> [Double] {
    let found: [Double]
    switch self {
    case .byVariety: found = try FarthestFirst.distances(tokens.inputTokens(), until: threshold)
    case .byInformation:
      let words = try tokens.attention(of: tokens.ratingRows(.corrected))
      found = [try AutoPrune.information(AutoPrune.joint(words)).mean().item()]
    }
    guard found.allSatisfy(\.isFinite) else { throw CompressionError.notFinite }
    return found
  }

  /// The share of an image of so many tokens that is left, 0...1.
  package func share(_ measured: [Double], threshold: Double, of total: Int) -> Double {
    switch self {
    case .byVariety: Double(measured.count { $0 > threshold }) / Double(max(1, total))
    case .byInformation: min(1, threshold * exp2(-(measured.first ?? 0)))
    }
  }
}
