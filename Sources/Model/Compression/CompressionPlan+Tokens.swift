import Torch

/// Visual tokens of one picture wherever they cost something.
public struct PlannedTokens: Sendable, Equatable {
  /// Patches that the tower starts with.
  public var patches: Int
  /// Tokens in each layer of the tower that is computed, a class token that is no visual token left out.
  public var tower: [Int]
  /// Tokens that the projector computes.
  public var projector: Int
  /// Positions that the picture takes in the decoder, those of tokens that left gaps included.
  public var positions: Int
  /// Tokens in each layer of the decoder.
  public var decoder: [Int]

  /// Tokens behind all stages.
  public var last: Int { decoder.last ?? projector }
}

extension CompressionPlan {
  /// What a plan makes of one picture.
  ///
  /// - Parameters:
  ///   - plan: nil where all tokens stay.
  ///   - layout: the picture's tokens before any stage.
  ///   - towerLayers: layers of the tower that are computed.
  ///   - layers: decoder layers.
  ///   - clamped: as in `resolve`.
  /// - Returns: of a picture with ends of rows the most that there can be.
  /// - Throws: as `resolve`, and `CompressionError.noGrid` where a picture cannot be resized to the number.
  public static func tokens(_ plan: CompressionPlan?, layout: TokenLayout, towerLayers: Int, layers: Int, clamped: Bool = false)
    throws -> PlannedTokens
  {
    let stages =
      try plan?.resolve(imageTokens: [[layout.counted]], layers: layers, towerLayers: towerLayers, clamped: clamped) ?? []
    func tokens(_ stage: ResolvedStage?) -> Int { layout.most(keeping: stage?.counts[0][0] ?? layout.counted) }
    func left(before site: Site) -> Int { tokens(stages.last { $0.stage.site < site }) }
    var patches = layout.grids.reduce(0) { $0 + $1.patches }
    if let stage = stages.first, stage.stage.site == .picture {
      patches = try stage.stage.resized(layout, to: stage.counts[0][0]).patches
    }
    let positions = tokens(stages.last { $0.layer == nil && !$0.stage.reducer.keepsPositions })
    return PlannedTokens(
      patches: patches, tower: (0..<towerLayers).map { layer in left(before: .tower(layer: layer + 1)) },
      projector: left(before: .features), positions: positions,
      decoder: (0..<layers).map { left(before: .decoder(layer: $0 + 1)) })
  }
}

extension CompressionPlan.Stage {
  /// The grid in which the tower sees a picture of this layout, of `count` tokens.
  ///
  /// - Throws: what the compressor throws, `CompressionError.badSelection` where it gives no grid.
  package func resized(_ layout: TokenLayout, to count: Int) throws -> TokenGrid {
    // A picture has no rows yet.
    let rows = SiteRows(hidden: try Tensor.empty([layout.count, 0]), lengths: [layout.count])
    let tokens = VisualTokens(site: .picture, rows: rows, span: 0..<layout.count, layout: layout)
    guard case .resize(let grid) = try reducer.reduce(TokenChoice(count, of: tokens, generator: Generator(seed: 0))),
      grid.count == count
    else { throw CompressionError.badSelection(compressor: "\(type(of: reducer))", reason: "gave no grid of \(count) tokens") }
    return grid
  }
}
