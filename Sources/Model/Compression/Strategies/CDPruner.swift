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
  /// A strategy that asks the prompt.
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
  static func order(_ rows: Tensor, relevance: Tensor, _ count: Int) throws -> Tensor {
    let (images, tokens) = (rows.size(0), rows.size(1))
    let units = try rows.unitRows()
    let kernel = try relevance.unsqueezed(2) * units.matmul(units.transposed(1, 2)) * relevance.unsqueezed(1)
    var variances = try (units * units).sum(-1) * relevance * relevance
    let gone = try Tensor.full([images, 1], -.infinity, on: rows.device)
    let least = try Tensor.full([images, 1], 1e-12, on: rows.device)
    let explained = try Tensor.zeros([images, count, tokens], on: rows.device)
    var found: [Tensor] = []
    for step in 0..<count {
      let pick = try variances.argmax(-1)
      found.append(pick)
      if step == count - 1 { break }
      let place = try pick.reshaped([images, 1, 1])
      var direction = try kernel.gathered(1, place.expanded([images, 1, tokens]))
      if step > 0 {
        let earlier = try explained.narrow(1, from: 0, length: step)
        let shares = try earlier.gathered(2, place.expanded([images, step, 1]))
        direction = try direction - shares.transposed(1, 2).matmul(earlier)
      }
      let own = try variances.gathered(1, pick.unsqueezed(1))
      direction = try direction.squeezed(1) * own.clamped(1e-12).rsqrt()
      direction = try direction.filled(where: own.isLess(than: least), with: 0)
      try explained.narrow(1, from: step, length: 1).squeezed(1).copyInPlace(from: direction)
      variances = try (variances - direction * direction).scattered(1, pick.unsqueezed(1), gone)
    }
    return try stack(found, 1)
  }
}
