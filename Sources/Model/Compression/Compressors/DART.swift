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
///
/// Images of one shape are chosen for together: a GPU chooses for one image faster than its kernels can be started.
public struct DART: TokenReducer {
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

  /// Keys of the layer before the cut.
  public var needs: ReducerNeeds { ReducerNeeds(keys: true) }

  /// Without text pivots the question decides nothing.
  public var readsPrompt: Bool { textPivots > 0 }

  /// The reference's formula: min(total, pᵢ + (pᵢ + pₜ) · int((1 - ratio) · total / (pᵢ + pₜ))).
  public func count(ratio: Double, of total: Int) -> Int {
    // Numbers that come from a file may be as large as they like.
    let pivots = Double(imagePivots) + Double(textPivots)
    let found = Double(imagePivots) + pivots * max(0, ((1 - ratio) * Double(total) / pivots).rounded(.towardZero))
    return found < Double(total) ? Int(found) : total
  }

  /// The image's pivots and what all pivots take.
  public func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }

  /// Images of one shape together.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    let images = choices.map { Image(tokens: $0.tokens, count: $0.count, text: $0.tokens.textRows(semantics)) }
    var found: [Int: Reduction] = [:]
    for members in Dictionary(grouping: images.indices, by: { images[$0].shape(textPivots) }).values {
      let kept = try together(members.map { images[$0] })
      for (row, member) in members.enumerated() { found[member] = .keep(try kept.selected(0, row)) }
    }
    return images.indices.compactMap { found[$0] }
  }
}

extension DART {
  /// An image, and the rows of its sample that can be text pivots.
  private struct Image {
    let tokens: VisualTokens
    let count: Int
    let text: [Int]

    /// What images must have in common to be chosen for together.
    func shape(_ textPivots: Int) -> [Int] { [count, tokens.count, min(textPivots, text.count)] }
  }

  /// The rows of images of one shape among the rows of their batch, [images, tokens].
  private func imageRows(_ images: [Image], _ places: Tensor) throws -> Tensor {
    let tokens = images[0].tokens.count
    if images.contains(where: { $0.tokens.selection != nil }) {
      return try Tensor(images.flatMap(\.tokens.rowNumbers), [images.count, tokens], on: places.device)
    }
    return try places.narrow(1, from: 0, length: 1) + Tensor.arange(0, tokens, on: places.device).unsqueezed(0)
  }

  /// Where images of one shape lie among the rows of their batch: [images, 1 + candidates], each image's first row, then the rows
  /// that can be text pivots.
  ///
  /// Missing ones are the image's first row and are never chosen.
  private func places(_ images: [Image]) throws -> Tensor {
    let candidates = images.map(\.text.count).max() ?? 0
    let rows = images.flatMap { image in
      let missing = Array(repeating: image.tokens.firstRow, count: candidates - image.text.count)
      return [image.tokens.firstRow] + image.text.map { image.tokens.rows.starts[image.tokens.sample] + $0 } + missing
    }
    return try Tensor(rows, [images.count, 1 + candidates], on: images[0].tokens.device)
  }

  /// Pivots of images of one shape by falling norm: [images, n] indices into the image, and [images, m] rows of the batch, nil for none.
  private func pivots(_ images: [Image], _ places: Tensor) throws -> (image: Tensor, text: Tensor?) {
    let all = images[0].tokens.rows
    func norms(_ rows: Tensor) throws -> Tensor { try all.keyNorms().rows(rows.reshaped([-1])).reshaped(rows.shape) }
    let rows = try imageRows(images, places)
    return (try norms(rows).top(min(imagePivots, images[0].count)).indices, try textPivotRows(images, places, norms))
  }

  /// Pivots of one image by falling norm: indices into the image, and rows of the batch.
  func pivots(_ count: Int, of tokens: VisualTokens) throws -> (image: Tensor, text: Tensor) {
    let images = [Image(tokens: tokens, count: count, text: tokens.textRows(semantics))]
    let (image, text) = try pivots(images, places(images))
    return (try image.selected(0, 0), try text?.selected(0, 0) ?? Tensor([Int](), on: tokens.device))
  }

  /// [images, count] indices into images of one shape, all of one `SiteRows`.
  private func together(_ images: [Image]) throws -> Tensor {
    let (all, count) = (images[0].tokens.rows, images[0].count)
    let places = try places(images)
    let (own, text) = try pivots(images, places)
    if count == own.size(1) { return own }
    let imageRows = try imageRows(images, places)
    let rows = try ordered(imageRows.gathered(1, own), text, images)
    // Unit vectors, so that products are cosines.
    func units(_ rows: Tensor) throws -> Tensor {
      let found = try all.normalized(rows.reshaped([-1])).unitRows()
      return try found.reshaped(rows.shape + [found.size(1)])
    }
    let similarities = try units(rows).matmul(units(imageRows).transposed(1, 2))
    return try concatenate([own, take(count - own.size(1), similarities, taken: own)], 1)
  }

  /// [images, text pivots] rows of the batch by falling norm; nil where there are none.
  private func textPivotRows(_ images: [Image], _ places: Tensor, _ norms: (Tensor) throws -> Tensor) throws -> Tensor? {
    let candidates = places.size(1) - 1
    let count = min(textPivots, images[0].text.count)
    if count == 0 { return nil }
    let rows = try places.narrow(1, from: 1, length: candidates)
    var found = try norms(rows)
    if images.contains(where: { $0.text.count < candidates }) {
      let missing = images.flatMap { image in (0..<candidates).map { $0 < image.text.count ? 0 : -Float.infinity } }
      found = try found + Tensor(missing, [images.count, candidates], on: rows.device)
    }
    return try rows.gathered(1, found.top(count).indices)
  }

  private func ordered(_ image: Tensor, _ text: Tensor?, _ images: [Image]) throws -> Tensor {
    let pivots = try text.map { try concatenate([image, $0], 1) } ?? image
    switch order {
    case .ascending: return try pivots.sorted().values
    case .imageThenText: return pivots
    case .given(let rows):
      let starts = images.flatMap { image in rows.map { image.tokens.rows.starts[image.tokens.sample] + $0 } }
      return try Tensor(starts, [images.count, rows.count], on: image.device)
    }
  }

  /// `count` columns of similarities [images, pivots, tokens], [images, count], each pivot taking its quota in turn; `taken`
  /// [images, n] are not to be had.
  private func take(_ count: Int, _ similarities: Tensor, taken: Tensor) throws -> Tensor {
    let pivots = similarities.size(1)
    let shape = [similarities.size(0), similarities.size(2)]
    let infinite = try Tensor.full(shape, .infinity, on: similarities.device)
    var penalty = try Tensor.zeros(shape, on: similarities.device).scattered(-1, taken, infinite)
    var found: [Tensor] = []
    for pivot in 0..<pivots {
      let quota = count / pivots + (pivot < count % pivots ? 1 : 0)
      if quota == 0 { break }
      let chosen = try (similarities.selected(1, pivot) + penalty).top(quota, largest: false).indices
      penalty = try penalty.scattered(-1, chosen, infinite)
      found.append(chosen)
    }
    return try concatenate(found, -1)
  }
}
