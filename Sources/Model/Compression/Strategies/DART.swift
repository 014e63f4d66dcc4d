import Torch

/// Keeps tokens that are least like a few pivots, and so least like each other (DART, arXiv 2502.11494, as EPIC uses it).
///
/// 1. Pivots are the image's tokens and the prompt's text tokens with the largest L1 norms of their keys in the layer before the cut.
/// 2. Pivots take turns. Each takes its quota of the tokens not taken yet that have the lowest cosine similarity to it, on the layer's
///    output after the model's final normalisation.
/// 3. The image's pivots and all that was taken stay.
///
/// Quotas differ by at most one: with p image pivots and q pivots in all, `keep(n)` gives each (n - p) / q tokens and one more to the
/// first (n - p) mod q. For the counts that the reference's formula allows this is the reference's choice. Cosines are computed in
/// float32 whatever the model's dtype; the reference computes them in bfloat16, with ties.
public struct DART: TokenCompressor {
  /// The order in which pivots take turns; earlier ones choose first.
  public enum PivotOrder: Sendable, Hashable {
    /// By row: image pivots from the first to the last, then text pivots.
    case ascending
    /// Image pivots by falling norm, then text pivots by falling norm.
    case imageThenText
    /// The sample's rows in this order, which must be the pivots; for comparing with records of the released code, whose order
    /// follows from how CPython stores sets.
    case given([Int])
  }

  /// Pivots among the image's tokens.
  public let imagePivots: Int
  /// Pivots among text tokens; fewer where the text has fewer tokens.
  public let textPivots: Int
  /// Which text rows can be pivots.
  public let semantics: CompressionSemantics
  /// Who chooses first.
  public let order: PivotOrder

  /// DART with as many pivots as EPIC uses.
  ///
  /// - Throws: `CompressionError.option` unless there is an image pivot and no negative number.
  public init(
    imagePivots: Int = 4, textPivots: Int = 4, semantics: CompressionSemantics = .corrected, order: PivotOrder = .ascending
  ) throws {
    if imagePivots < 1 { throw CompressionError.option(name: "image-pivots", value: imagePivots, expected: "1 or more") }
    if textPivots < 0 { throw CompressionError.option(name: "text-pivots", value: textPivots, expected: "0 or more") }
    self.imagePivots = imagePivots
    self.textPivots = textPivots
    self.semantics = semantics
    self.order = order
  }

  /// The reference's formula: min(total, pᵢ + (pᵢ + pₜ) · int((1 - ratio) · total / (pᵢ + pₜ))).
  public func count(ratio: Double, of total: Int) -> Int {
    let pivots = imagePivots + textPivots
    return min(total, imagePivots + pivots * max(0, Int((1 - ratio) * Double(total) / Double(pivots))))
  }

  /// The image's pivots and what all pivots take.
  public func keep(_ count: Int, of tokens: VisualTokens, generator: Generator) throws -> Tensor {
    let (image, text) = try pivots(count, of: tokens)
    if count == image.count { return image }
    let rows = try ordered(image + Tensor([tokens.span.lowerBound], on: tokens.device), text)
    // Unit vectors, so that products are cosines.
    let candidates = try unit(tokens.sample.normalized(tokens.span))
    let similarities = try unit(tokens.sample.normalized(rows)).matmul(candidates.transposed(0, 1))
    return try concatenate([image, take(count - image.count, similarities, taken: image)])
  }

  /// Indices into the image of its pivots, and the sample's rows of the text pivots, both by falling norm.
  func pivots(_ count: Int, of tokens: VisualTokens) throws -> (image: Tensor, text: Tensor) {
    let image = try tokens.keyNorms().top(min(imagePivots, count)).indices
    let candidates = try Tensor(tokens.textRows(semantics), on: tokens.device)
    let best = try tokens.sample.keyNorms().rows(candidates).top(min(textPivots, candidates.count)).indices
    return (image, try candidates.rows(best))
  }

  private func ordered(_ image: Tensor, _ text: Tensor) throws -> Tensor {
    switch order {
    case .ascending: return try concatenate([image, text]).sorted().values
    case .imageThenText: return try concatenate([image, text])
    case .given(let rows): return try Tensor(rows, on: image.device)
    }
  }

  func unit(_ rows: Tensor) throws -> Tensor { try rows / rows.norm(2, -1, keepingDimension: true).clamped(1e-12) }

  /// `count` columns of similarities [..., pivots, tokens], [..., count], each pivot taking its quota in turn; `taken` [..., n] are not
  /// to be had.
  func take(_ count: Int, _ similarities: Tensor, taken: Tensor) throws -> Tensor {
    let pivots = similarities.size(-2)
    let shape = similarities.shape.dropLast(2) + [similarities.size(-1)]
    let infinite = try Tensor.full(Array(shape), .infinity, on: similarities.device)
    var penalty = try Tensor.zeros(Array(shape), on: similarities.device).scattered(-1, taken, infinite)
    var found: [Tensor] = []
    for pivot in 0..<pivots {
      let quota = count / pivots + (pivot < count % pivots ? 1 : 0)
      if quota == 0 { break }
      let chosen = try (similarities.selected(-2, pivot) + penalty).top(quota, largest: false).indices
      penalty = try penalty.scattered(-1, chosen, infinite)
      found.append(chosen)
    }
    return try concatenate(found, -1)
  }
}
