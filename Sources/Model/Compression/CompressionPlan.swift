import Torch

/// Which strategy drops how many visual tokens, and where.
public struct CompressionPlan: Sendable {
  /// How much of an image stays.
  public enum Amount: Sendable, Hashable {
    /// Exactly this many tokens.
    case keep(Int)
    /// What the strategy's own formula leaves when this share of the image's tokens is dropped.
    case ratio(Double)
  }

  /// A place where tokens are dropped.
  public struct Cut: Sendable, Hashable {
    /// Decoder layers before the cut, whose input keeps all tokens.
    ///
    /// Tokens are dropped from the input of the layer with this index. 0 is before the decoder, where only pooling works; the number of
    /// layers is after all of them, where nothing depends on the cut any more.
    public let layer: Int
    /// What stays of the image as it was before any cut.
    public let amount: Amount

    /// A cut after `layer` layers.
    public init(layer: Int, _ amount: Amount) {
      self.layer = layer
      self.amount = amount
    }
  }

  /// A cut with numbers in place of rules.
  public struct ResolvedCut: Sendable, Hashable {
    /// Decoder layers before the cut.
    public let layer: Int
    /// Tokens that stay of each image of each sample.
    public let counts: [[Int]]
  }

  /// Chooses what stays.
  public let strategy: CompressionStrategy
  /// From shallow to deep.
  public let cuts: [Cut]

  /// A plan with cuts from shallow to deep.
  ///
  /// Pooling and shrinking take one cut and make it before the decoder, whatever its layer.
  ///
  /// - Throws: `CompressionError` for ratios outside 0...1, negative counts, and cuts out of order.
  public init(_ strategy: CompressionStrategy, cuts: [Cut]) throws {
    self.strategy = strategy
    switch strategy {
    case .drop:
      self.cuts = cuts
      for (first, second) in zip(cuts, cuts.dropFirst()) {
        if second.layer <= first.layer { throw CompressionError.layerOrder(first: first.layer, second: second.layer) }
        if case .keep(let more) = first.amount, case .keep(let fewer) = second.amount, fewer > more {
          throw CompressionError.keepGrows(first: more, second: fewer)
        }
      }
    case .pool, .shrink:
      if cuts.count > 1 { throw CompressionError.secondCutOfPool }
      self.cuts = cuts.map { Cut(layer: 0, $0.amount) }
    }
    for cut in cuts {
      if case .ratio(let ratio) = cut.amount, !(0...1).contains(ratio) { throw CompressionError.ratio(ratio) }
      if case .keep(let keep) = cut.amount, keep < 0 {
        throw CompressionError.option(name: "keep", value: keep, expected: "0 or more")
      }
    }
  }

  /// A plan with one cut of a strategy that drops tokens.
  ///
  /// - Throws: as `init(_:cuts:)`.
  public init(_ compressor: any TokenCompressor, layer: Int, _ amount: Amount) throws {
    try self.init(.drop(compressor), cuts: [Cut(layer: layer, amount)])
  }

  /// The plan's numbers for a batch; cuts that drop nothing are left out, as if they had not been asked for.
  ///
  /// - Parameters:
  ///   - imageTokens: visual tokens of each image of each sample.
  ///   - layers: decoder layers of the model.
  /// - Throws: `CompressionError` for a layer outside 1...layers, more kept tokens than an image has, and a cut that leaves more than
  ///   the one before it.
  public func resolve(imageTokens: [[Int]], layers: Int) throws -> [ResolvedCut] {
    var before = imageTokens
    var found: [ResolvedCut] = []
    for cut in cuts {
      if case .drop = strategy, !(1...layers).contains(cut.layer) { throw CompressionError.layer(cut.layer, allowed: 1...layers) }
      let counts = try zip(imageTokens, before).map { originals, remaining in
        try zip(originals, remaining).map { original, remaining in
          let count = try count(cut.amount, of: original)
          if count > remaining { throw CompressionError.keepGrows(first: remaining, second: count) }
          return count
        }
      }
      if counts != before { found.append(ResolvedCut(layer: cut.layer, counts: counts)) }
      before = counts
    }
    return found
  }

  /// Visual tokens of an image of `total` tokens that each decoder layer sees, from the first layer to the last.
  ///
  /// - Throws: as `resolve`.
  public func tokensSeen(ofImage total: Int, layers: Int) throws -> [Int] {
    let cuts = try resolve(imageTokens: [[total]], layers: layers)
    return (0..<layers).map { layer in cuts.last { $0.layer <= layer }?.counts[0][0] ?? total }
  }

  /// The positions that an image of `total` tokens takes in the decoder: pooling and shrinking shorten it, dropping tokens leaves gaps.
  ///
  /// - Throws: `CompressionError.keep` where more are to be kept than there are.
  public func positions(ofImage total: Int) throws -> Int {
    if case .drop = strategy { return total }
    return try cuts.first.map { try count($0.amount, of: total) } ?? total
  }

  /// Features [images, grid.count, width] pooled as the plan says; nil where its strategy drops tokens in the decoder, or nothing is to
  /// be pooled.
  ///
  /// - Throws: `CompressionError.keep` where more are to be kept than there are, `.badSelection` where the pooler breaks its promise.
  public func pooled(_ features: Tensor, _ grid: TokenGrid) throws -> Tensor? {
    let count = try positions(ofImage: grid.count)
    guard case .pool(let pooler) = strategy, count < grid.count else { return nil }
    let found = try pooler.pool(features, grid, to: count)
    guard found.shape == [features.size(0), count, features.size(2)] else {
      throw CompressionError.badSelection(
        strategy: "\(type(of: pooler))", reason: "gave features of shape \(found.shape) where \(count) an image were asked for")
    }
    return found
  }

  /// The patches that the tower sees where the strategy shrinks the picture; nil where it does not, or all patches stay.
  ///
  /// - Throws: `CompressionError.keep` where more are to be kept than there are, `.noGrid` where no grid has the number.
  public func shrunk(_ grid: TokenGrid) throws -> TokenGrid? {
    guard case .shrink(let shrinker) = strategy, let cut = cuts.first else { return nil }
    let count = try count(cut.amount, of: grid.count)
    return count == grid.count ? nil : try shrinker.shrunk(grid, to: count)
  }

  private func count(_ amount: Amount, of total: Int) throws -> Int {
    switch amount {
    case .ratio(let ratio): return min(total, strategy.count(ratio: ratio, of: total))
    case .keep(let keep):
      if keep > total { throw CompressionError.keep(keep, available: total) }
      return keep
    }
  }
}
