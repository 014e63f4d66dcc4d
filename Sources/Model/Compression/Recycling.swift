import Torch

/// Keeps the tokens of the highest scores, and merges the best of the others into a few, as SparseVLM does and AutoPrune after it.
///
/// 1. Of n tokens that are to go, int(0.3 n) + 1 of the highest scores are recycled, the others are gone.
/// 2. m recycled tokens become m / 10 + 1 clusters, by density peaks among nearest neighbours (`DensityPeaks`); each is the mean of its
///    members.
///
/// A plan counts clusters among the tokens that are left. Never more than half of these are clusters.
struct Recycling {
  /// Tokens of the highest scores, which stay as they are.
  let kept: Int
  /// Tokens that are recycled.
  let recycled: Int
  /// Tokens that these become.
  let clusters: Int

  /// What is left where `kept` of `total` tokens stay as they are.
  init(keeping kept: Int, of total: Int) {
    let dropped = total - kept
    self.kept = kept
    recycled = dropped > 0 ? Int(0.3 * Double(dropped)) + 1 : 0
    clusters = dropped > 0 ? recycled / 10 + 1 : 0
  }

  /// What `count` tokens of `total` are made of, fewer than there are; of two ways the one that keeps more as they are.
  init(leaving count: Int, of total: Int) {
    var kept = max(count - count / 2, count - Recycling(keeping: 0, of: total).clusters)
    var found = Recycling(keeping: kept, of: total)
    // Clusters become fewer more slowly than tokens that stay become more, so the first that is too much ends the search.
    while kept < count, case let next = Recycling(keeping: kept + 1, of: total), next.count <= count {
      (kept, found) = (kept + 1, next)
    }
    self.init(kept: kept, recycled: count == kept ? 0 : found.recycled, clusters: count - kept)
  }

  private init(kept: Int, recycled: Int, clusters: Int) {
    (self.kept, self.recycled, self.clusters) = (kept, recycled, clusters)
  }

  /// Tokens that are left.
  var count: Int { kept + clusters }

  /// What is left of tokens.
  ///
  /// - Parameters:
  ///   - scores: [tokens] float32.
  ///   - rows: the tokens, [tokens, width].
  ///   - noise: as in `DensityPeaks`, for tokens in the order of falling scores.
  ///   - keepsOrder: a mix stands where its cluster's centre did; else mixes stand behind all tokens that stayed.
  func reduction(_ scores: Tensor, _ rows: Tensor, noise: Tensor? = nil, keepsOrder: Bool = true) throws -> Reduction {
    let total = scores.count
    let order = try scores.sorted(descending: true).indices
    var kept = try order.narrow(0, from: 0, length: self.kept).sorted().values
    if clusters == 0 { return .keep(kept) }
    var weights = try kept.oneHot(total)
    let pool = try order.narrow(0, from: self.kept, length: recycled)
    let peaks = try DensityPeaks(rows.rows(pool), clusters, noise: noise)
    let columns = try pool.unsqueezed(0).expanded([clusters, recycled])
    let mixes = try Tensor.zeros([clusters, total], on: scores.device).scattered(1, columns, peaks.shares())
    kept = try concatenate([kept, pool.rows(peaks.centres)])
    weights = try concatenate([weights, mixes])
    if keepsOrder {
      let ascending = try kept.sorted()
      (kept, weights) = (ascending.values, try weights.rows(ascending.indices))
    }
    return .merge(kept: kept, weights: weights)
  }
}

/// Clusters by density peaks among nearest neighbours (DPC-kNN, doi 10.1016/j.knosys.2016.02.001), with SparseVLM's constants.
///
/// - A row is as dense as its c nearest are near, itself included: exp(−mean d²), d the distance over √width, c the number of clusters.
/// - Centres are the c rows for which the density, times the distance to the nearest denser row, is largest; the densest row of all is given
///   the largest distance that there is.
/// - The others belong to the nearest centre.
struct DensityPeaks {
  /// Rows that are centres, the clearest first: [c] int64.
  let centres: Tensor
  /// The centre of each row by its place in `centres`: [rows] int64.
  let assignment: Tensor

  /// - Parameters:
  ///   - rows: [n, width].
  ///   - count: clusters, n at most.
  ///   - noise: [n] uniform numbers of which a millionth is added to the densities, so that none are equal; nil adds nothing.
  init(_ rows: Tensor, _ count: Int, noise: Tensor? = nil) throws {
    let rows = try rows.to(.float32)
    let distances = try rows.distances(to: rows) / Double(rows.size(1)).squareRoot()
    var densities = try (-distances.top(count, largest: false).values.power(2).mean(1)).exp()
    if let noise { densities = try densities + noise * 1e-6 }
    let isDenser = try densities.unsqueezed(1).isLess(than: densities.unsqueezed(0))
    let nearest = try distances.selected(where: isDenser, else: distances.max()).top(1, largest: false).values.squeezed(1)
    centres = try (nearest * densities).top(count).indices
    let closest = try (-distances.rows(centres)).argmax(0)
    assignment = try closest.scattered(0, centres, .arange(0, count, on: rows.device))
  }

  /// The clusters as means of their members: [c, rows] float32, rows of sum 1.
  func shares() throws -> Tensor {
    let members = try assignment.oneHot(centres.count).transposed(0, 1)
    return try members / members.sum(1, keepingDimension: true)
  }
}
