import Torch

/// Gives each stretch of the picture a share of the tokens, and keeps those of each that the tower attends to most (HoloV, arXiv
/// 2510.02912).
///
/// 1. Groups are runs of neighbours in raster order, 16 in the authors' code.
/// 2. A group's score is the mean of 1000 · attention + 0.09 · c · variance over its tokens; the variance is that of a token's cosines with the others of
///    its group, and c brings both terms to one scale.
/// 3. Groups share the tokens by their scores, rounded down, and what is missing goes one each to the largest shares. Within a group the
///    attention of the tower's class token decides.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | c | one for the picture | one for each group, so that the variances cancel and have no say |
/// | a group asked for more than it has | what is over goes to the next | is lost, and rows of zeros take its place |
/// | a group of one token | scored as the others | scored without the factor 1000 |
/// | order | that of the picture | group by group, by falling attention |
/// | positions | those that the tokens had | numbered anew |
public struct HoloV: TokenReducer {
  /// Stretches of the picture.
  public let groups: Int
  /// Whether the similarity term counts, and order and positions stay.
  public let semantics: CompressionSemantics

  /// HoloV with as many groups as its authors use, unless told otherwise.
  ///
  /// - Throws: `CompressionError.option` without a group.
  public init(groups: Int = 16, semantics: CompressionSemantics = .corrected) throws {
    if groups < 1 { throw CompressionError.option(name: "groups", value: groups, expected: "1 or more") }
    self.groups = groups
    self.semantics = semantics
  }

  /// Behind the projector, or at the tower's end.
  public var sites: [Site.Kind] { [.features, .tower] }

  /// Attention of the tower's last layer.
  public var needs: ReducerNeeds { ReducerNeeds(towerLayers: [-1]) }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// Each group's best; a class token among the tokens stays.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    let first = tokens.beginsWithClassToken ? 1 : 0
    let attention = try tokens.towerAttention().array(Float.self)
    let found = try choose(
      choice.count - first, attention: Array(attention[first...]),
      tokens.hidden().narrow(0, from: first, length: tokens.count - first))
    let kept = Array(0..<first) + found.map { $0.map { first + $0 } ?? -1 }
    if semantics == .corrected { return .keep(try Tensor(kept, on: tokens.device)) }
    // Rows of zeros stand for tokens that are not left.
    var spare = Set(0..<tokens.count).subtracting(kept).sorted()[...]
    var weights = [Float](repeating: 0, count: choice.count * tokens.count)
    for (row, token) in kept.enumerated() where token >= 0 { weights[row * tokens.count + token] = 1 }
    return .merge(
      kept: try Tensor(kept.map { $0 >= 0 ? $0 : spare.removeFirst() }, on: tokens.device),
      weights: try Tensor(weights, [choice.count, tokens.count], on: tokens.device))
  }

  /// `count` tokens by index, nil for a row of zeros.
  func choose(_ count: Int, attention: [Float], _ rows: Tensor) throws -> [Int?] {
    let runs = Self.runs(attention.count, groups)
    let shares = Self.shares(try scores(runs, attention, rows), count)
    var quotas = shares.quotas
    if semantics == .corrected { quotas = Self.moved(quotas, runs.map(\.count), shares.order) }
    var found: [Int?] = []
    for (run, quota) in zip(runs, quotas) where quota > 0 {
      if quota >= run.count {
        found += run.map(Optional.some)
      } else {
        found += run.sorted { (attention[$1], $0) < (attention[$0], $1) }.prefix(quota).map(Optional.some)
      }
    }
    if semantics == .corrected { return found }
    return found.count >= count ? Array(found.prefix(count)) : found + Array(repeating: nil, count: count - found.count)
  }

  /// Runs of nearly equal length, the longer ones first; none of them empty.
  static func runs(_ total: Int, _ groups: Int) -> [Range<Int>] {
    let groups = min(groups, total)
    var start = 0
    return (0..<groups).map { group in
      let length = total / groups + (group < total % groups ? 1 : 0)
      defer { start += length }
      return start..<start + length
    }
  }

  /// Each group's score.
  func scores(_ runs: [Range<Int>], _ attention: [Float], _ rows: Tensor) throws -> [Float] {
    let variances = try runs.map { try Self.variances(rows.narrow(0, from: $0.lowerBound, length: $0.count)) }
    let scaled = attention.map { $0 * 1000 }
    func scale(_ attention: ArraySlice<Float>, _ variances: [Float]) -> Float {
      0.09 * (Self.mean(attention) / (Self.mean(variances[...]) + 1e-6))
    }
    let whole = scale(scaled[...], variances.flatMap(\.self))
    return zip(runs, variances).map { run, variances in
      if run.count == 1, semantics == .reference { return attention[run.lowerBound] }
      let factor = semantics == .reference ? scale(scaled[run], variances) : whole
      return Self.mean(zip(scaled[run], variances).map { $0 + factor * $1 }[...])
    }
  }

  /// The variance of each row's cosines with the others of its group, [n]; as the authors compute it, with a 0 for the row itself.
  private static func variances(_ rows: Tensor) throws -> [Float] {
    let count = rows.size(0)
    if count == 1 { return [0] }
    let rows = try rows.to(.float32)
    let units = try rows / (rows.norm(2, -1, keepingDimension: true) + 1e-6)
    let own = try Tensor.arange(0, count, on: rows.device).oneHot(count)
    let cosines = try units.matmul(units.transposed(0, 1)) * (own * -1 + 1)
    let means = try cosines.sum(1, keepingDimension: true) / Double(count - 1)
    return try ((cosines - means).power(2).sum(1) / Double(count - 1)).array(Float.self)
  }

  /// How many each group gets, however many it has, and the groups by falling share.
  private static func shares(_ scores: [Float], _ count: Int) -> (quotas: [Int], order: [Int]) {
    let total = scores.reduce(0, +) + 1e-6
    let shares = scores.map { $0 / total }
    var quotas = shares.map { Int(($0 * Float(count)).rounded(.down)) }
    let order = shares.indices.sorted { (shares[$1], $0) < (shares[$0], $1) }
    let missing = count - quotas.reduce(0, +)
    // More than one each are missing only where all scores are next to nothing.
    for turn in 0..<max(0, missing) { quotas[order[turn % order.count]] += 1 }
    return (quotas, order)
  }

  /// What some groups have no room for, one each in turn to those with the largest shares that have.
  private static func moved(_ quotas: [Int], _ rooms: [Int], _ order: [Int]) -> [Int] {
    var left = zip(quotas, rooms).map(min)
    var over = quotas.reduce(0, +) - left.reduce(0, +)
    while over > 0 {
      for group in order where over > 0 && left[group] < rooms[group] {
        left[group] += 1
        over -= 1
      }
    }
    return left
  }

  private static func mean(_ values: ArraySlice<Float>) -> Float { values.reduce(0, +) / Float(max(1, values.count)) }
}
