import Torch

/// Which compressors leave how many visual tokens, and where: stages in the order in which a picture passes them.
///
/// Plans have a spelling, `dart:64@2,dart:16@15`; see `init(_:registry:)`.
public struct CompressionPlan: Sendable {
  /// How much of an image is left.
  public enum Amount: Sendable, Hashable {
    /// Exactly this many tokens.
    case keep(Int)
    /// This share of the image's tokens, to the nearest number.
    case share(Double)
    /// What the compressor's own formula leaves when this share of the image's tokens is dropped.
    case ratio(Double)
    /// Exactly this many tokens of each image of a sample, in their order; the last number counts for all further ones.
    case each([Int])
  }

  /// A compressor at a site.
  public struct Stage: Sendable {
    /// Chooses what is left.
    public let reducer: any TokenReducer
    /// Where it works.
    public let site: Site
    /// What is left of the image as it was before any stage.
    public let amount: Amount
    /// How the compressor and its options are spelled; nil for one that has no name.
    public let name: String?
    /// The same for all copies of a stage, so that images that are to lose tokens by one compressor can be shown to it together.
    package let identity: Identity

    package final class Identity: Sendable {}

    /// A stage of its parts.
    ///
    /// - Parameter site: nil for the first that the compressor names, in the decoder after `layer` layers.
    public init(_ reducer: any TokenReducer, at site: Site? = nil, layer: Int = 2, _ amount: Amount, name: String? = nil) {
      self.reducer = reducer
      self.site = site ?? reducer.sites.first.map { Self.site($0, layer: layer) } ?? .decoder(layer: layer)
      self.amount = amount
      self.name = name
      identity = Identity()
    }

    /// The same stage elsewhere, or with another amount.
    package func with(_ site: Site, _ amount: Amount) -> Stage { Stage(self, site, amount) }

    private init(_ other: Stage, _ site: Site, _ amount: Amount) {
      (reducer, self.site, self.amount, name, identity) = (other.reducer, site, amount, other.name, other.identity)
    }

    private static func site(_ kind: Site.Kind, layer: Int) -> Site {
      switch kind {
      case .picture: .picture
      case .tower: .tower(layer: nil)
      case .features: .features
      case .decoder: .decoder(layer: layer)
      }
    }

    /// Tokens that are left of an image.
    ///
    /// - Parameters:
    ///   - total: the image's tokens before any stage.
    ///   - image: its number in its sample.
    ///   - clamped: as in `resolve`.
    /// - Throws: `CompressionError.keep` where more are to be kept than there are.
    public func count(of total: Int, image: Int = 0, clamped: Bool = false) throws -> Int {
      func kept(_ keep: Int) throws -> Int {
        if keep > total, !clamped { throw CompressionError.keep(keep, available: total) }
        return min(keep, total)
      }
      switch amount {
      case .each(let counts): return try kept(counts.indices.contains(image) ? counts[image] : counts.last ?? total)
      case .ratio(let ratio): return min(total, max(0, reducer.count(ratio: ratio, of: total)))
      case .share(let share): return min(total, Int((share * Double(total)).rounded()))
      case .keep(let keep): return try kept(keep)
      }
    }
  }

  /// A stage with numbers in place of rules.
  public struct ResolvedStage: Sendable {
    /// What is done, and where.
    public let stage: Stage
    /// Tokens that are left of each image of each sample.
    public let counts: [[Int]]

    /// Decoder layers before it; nil before the decoder.
    public var layer: Int? { stage.site.decoderLayer }

    /// A stage and its numbers.
    public init(_ stage: Stage, counts: [[Int]]) {
      self.stage = stage
      self.counts = counts
    }
  }

  /// A place in the decoder where tokens are dropped.
  public struct Cut: Sendable, Hashable {
    /// Decoder layers before the cut, whose input keeps all tokens.
    public let layer: Int
    /// What stays of the image as it was before any cut.
    public let amount: Amount

    /// A cut after `layer` layers.
    public init(layer: Int, _ amount: Amount) {
      self.layer = layer
      self.amount = amount
    }
  }

  /// In the order in which a picture passes them.
  public let stages: [Stage]
  /// How the plan was spelled where a name stands for its authors' whole schedule, `autoprune:64`; nil for others.
  public let schedule: String?

  /// A plan of stages.
  ///
  /// - Throws: `CompressionError` for ratios outside 0...1, negative counts, sites at which a compressor does not work, and stages out of
  ///   order.
  public init(stages: [Stage]) throws { try self.init(stages: stages, schedule: nil) }

  init(stages: [Stage], schedule: String?) throws {
    (self.stages, self.schedule) = (stages, schedule)
    for (first, second) in zip(stages, stages.dropFirst()) {
      if second.site <= first.site { throw CompressionError.siteOrder(first: first.site, second: second.site) }
      if let cut = first.site.decoderLayer, let layer = second.reducer.needs.decoderLayers.first(where: { $0 < cut }) {
        throw CompressionError.unavailable(
          "queries and keys of decoder layer \(layer)", hint: "a cut before drops tokens behind it; leave that cut out")
      }
      if case .keep(let more) = first.amount, case .keep(let fewer) = second.amount, fewer > more {
        throw CompressionError.keepGrows(first: more, second: fewer)
      }
    }
    let inDecoder = stages.filter { $0.site.kind == .decoder }
    if inDecoder.count > 1, inDecoder.contains(where: { $0.reducer is AdaptiveReducer }) { throw CompressionError.ruleBesideCuts }
    for stage in stages {
      if !stage.reducer.sites.contains(stage.site.kind) {
        throw CompressionError.site(
          stage.site, compressor: stage.name ?? "\(type(of: stage.reducer))", allowed: stage.reducer.sites)
      }
      switch stage.amount {
      case .ratio(let ratio): if !(0...1).contains(ratio) { throw CompressionError.ratio(ratio) }
      case .share(let share): if !(0...1).contains(share) { throw CompressionError.share(share) }
      case .keep(let keep): try Self.check([keep])
      case .each(let counts): try Self.check(counts)
      }
    }
  }

  private static func check(_ counts: [Int]) throws {
    if let keep = counts.first(where: { $0 < 0 }) {
      throw CompressionError.option(name: "keep", value: keep, expected: "0 or more")
    }
  }

  /// A plan in which one compressor works once or several times.
  ///
  /// One that does not work in the decoder takes one cut and makes it where it works, whatever the cut's layer.
  ///
  /// - Throws: as `init(stages:)`.
  public init(_ reducer: any TokenReducer, cuts: [Cut], name: String? = nil) throws {
    if cuts.count > 1, reducer.sites.first != .decoder { throw CompressionError.secondCutBeforeDecoder }
    try self.init(stages: cuts.map { Stage(reducer, layer: $0.layer, $0.amount, name: name) })
  }

  /// A plan with one cut in the decoder.
  ///
  /// - Throws: as `init(stages:)`.
  public init(_ reducer: any TokenReducer, layer: Int, _ amount: Amount) throws {
    try self.init(reducer, cuts: [Cut(layer: layer, amount)])
  }

  /// The rule by which the plan's one stage in the decoder decides how many tokens are left; nil where the plan says it.
  public var rule: BudgetRule? { stages.lazy.compactMap { ($0.reducer as? AdaptiveReducer)?.rule }.first }

  /// A plan of which so many tokens are left where a rule decides, for tables: those of its own average.
  package func leaving(_ tokens: Int) throws -> CompressionPlan {
    try CompressionPlan(
      stages: stages.map { stage in
        (stage.reducer as? AdaptiveReducer).map { Stage($0.base, at: stage.site, .keep(tokens), name: stage.name) } ?? stage
      })
  }

  /// All that the compressors need.
  public var needs: ReducerNeeds { stages.reduce(ReducerNeeds()) { $0.union($1.reducer.needs) } }

  /// False where what is left of a picture follows from the picture alone.
  public var readsPrompt: Bool { stages.contains { $0.reducer.readsPrompt } }

  /// The plan's numbers for a batch; stages that drop nothing are left out, as if they had not been asked for.
  ///
  /// - Parameters:
  ///   - imageTokens: visual tokens of each image of each sample that budgets count, before any stage.
  ///   - layers: decoder layers of the model.
  ///   - towerLayers: layers of the tower that are computed; nil where the plan has been checked against them.
  ///   - clamped: an image of fewer tokens than are to be kept keeps all of them, as where pictures have tokens by their size; else that
  ///     is an error, but for the first stages of a compressor's own schedule, which multiply the number that was asked for.
  /// - Throws: `CompressionError` for a layer that the model has not, more kept tokens than an image has, and a stage that leaves more
  ///   than the one before it.
  public func resolve(imageTokens: [[Int]], layers: Int, towerLayers: Int? = nil, clamped: Bool = false) throws
    -> [ResolvedStage]
  {
    var before = imageTokens
    var found: [ResolvedStage] = []
    for (place, stage) in stages.enumerated() {
      let clamped = clamped || schedule != nil && place < stages.count - 1
      if let layer = stage.site.decoderLayer, !(1...layers).contains(layer) {
        throw CompressionError.layer(layer, allowed: 1...layers)
      }
      if case .tower(let layer?) = stage.site, let towerLayers {
        if layer > towerLayers { throw CompressionError.towerLayer(layer, allowed: 0...towerLayers) }
        if let late = stage.reducer.needs.towerLayers.first(where: { ($0 < 0 ? towerLayers + $0 : $0) >= layer }) {
          throw CompressionError.unavailable(
            "queries and keys of tower layer \(late), which comes after \(stage.site)", hint: "leave the number out of the site")
        }
      }
      let counts = try zip(imageTokens, before).map { originals, remaining in
        try zip(originals, remaining).enumerated().map { image, tokens in
          let (original, remaining) = tokens
          let count = try stage.count(of: original, image: image, clamped: clamped)
          if count > remaining { throw CompressionError.keepGrows(first: remaining, second: count) }
          return count
        }
      }
      // One that decides by itself may drop where the plan's number says nothing.
      if counts != before || stage.reducer.decidesBudgets && counts != imageTokens {
        found.append(ResolvedStage(stage, counts: counts))
      }
      before = counts
    }
    return found
  }
}
