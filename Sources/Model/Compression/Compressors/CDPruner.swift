import Torch

/// Keeps tokens that are relevant to the question and unlike each other (CDPruner, arXiv 2506.10967): a determinantal point process
/// conditioned on the question, searched greedily.
///
/// The kernel is K(i, j) = relevance(i) · cosine(i, j) · relevance(j) of the rows behind the projector, in float32. Each step takes the token
/// with the largest conditional variance and subtracts what it explains (Chen et al. 2018, algorithm 1). O(count² · tokens).
///
/// The kernel and the search are those of the released code. What differs:
///
/// * **Relevance.** The released code compares patches and question in CLIP's joint space, where a *low* cosine counts as relevant. No
///   LLaVA checkpoint holds CLIP's text tower, so patches behind the projector are compared with the embeddings of the prompt's text tokens,
///   and the mean cosine counts as it is. There are no `reference` semantics for the same reason.
/// * It is brought to 0...1 for each picture, not over all pictures of a batch, and each picture is compared with its own prompt.
/// * Where nothing is left to explain (more tokens than dimensions, or copies), the others follow by what rounding left of their variance; the released
///   code divides by zero and keeps fewer tokens than asked.
/// * Tokens keep their positions.
public struct CDPruner: TokenReducer {
  /// A compressor that asks the prompt.
  public init() {}

  /// Behind the projector, where rows and embeddings of text lie in one space.
  public var sites: [Site.Kind] { [.features] }

  /// Embeddings of the prompt's text.
  public var needs: ReducerNeeds { ReducerNeeds(text: true) }

  /// What is chosen for one image.
  public func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }

  /// Images of one shape together.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    try choices.keeping { count, members in
      let rows = try stack(members.map { try $0.tokens.hidden() })
      let relevance = try members.enumerated().map { image, choice in
        try Self.relevance(rows.selected(0, image), to: choice.tokens.textEmbeddings())
      }
      return try Self.order(rows, relevance: stack(relevance), count)
    }
  }

  /// How well each row [tokens, width] fits text [n, width], 0...1; all alike without text.
  static func relevance(_ rows: Tensor, to text: Tensor) throws -> Tensor {
    if text.size(0) == 0 { return try .ones([rows.size(0)], on: rows.device) }
    let fit = try rows.unitRows().matmul(text.unitRows().transposed(0, 1)).mean(1)
    let (low, high) = (try fit.top(1, largest: false).values, try fit.top(1).values)
    // The released code's small number, below the line too, so that rows that fit equally well are equally relevant.
    return try (fit - low + 1e-6) / (high - low).clamped(1e-6)
  }

  /// Indices of rows [images, tokens, width] in the order in which they are taken: [images, count].
  ///
  /// - Parameter relevance: [images, tokens] float32.
  static func order(_ rows: Tensor, relevance: Tensor, _ count: Int) throws -> Tensor {
    let cosines = try Cosines(rows)
    let weights = try relevance.array(Float.self).map { $0.isNaN ? 0 : $0 }
    let found = (0..<cosines.images).flatMap { image in
      order(cosines, image: image, Array(weights[image * cosines.tokens..<(image + 1) * cosines.tokens]), count)
    }
    return try Tensor(found, [cosines.images, count], on: rows.device)
  }

  /// The search in one image.
  private static func order(_ cosines: Cosines, image: Int, _ relevance: [Float], _ count: Int) -> [Int] {
    var variances = relevance.indices.map { token in
      cosines.withRow(token, of: image) { $0[token] * relevance[token] * relevance[token] }
    }
    // What the tokens taken so far explain, a row for each.
    var explained: [[Float]] = []
    var found: [Int] = []
    while true {
      let pick = variances.indices.dropFirst().reduce(0) { variances[$1] > variances[$0] ? $1 : $0 }
      found.append(pick)
      if found.count == count { return found }
      var direction = cosines.withRow(pick, of: image) { row in row.indices.map { relevance[pick] * row[$0] * relevance[$0] } }
      for earlier in explained { subtract(earlier[pick], of: earlier, from: &direction) }
      let scale = variances[pick] < least ? 0 : 1 / variances[pick].squareRoot()
      for token in direction.indices {
        direction[token] *= scale
        variances[token] -= direction[token] * direction[token]
      }
      variances[pick] = -.infinity
      explained.append(direction)
    }
  }

  /// A variance below which nothing is left to explain.
  private static let least: Float = 1e-12

  /// Subtracts a share of a row from another one of the same length.
  private static func subtract(_ share: Float, of row: [Float], from other: inout [Float]) {
    row.withUnsafeBufferPointer { row in
      other.withUnsafeMutableBufferPointer { other in
        for index in row.indices { other[index] -= share * row[index] }
      }
    }
  }
}
