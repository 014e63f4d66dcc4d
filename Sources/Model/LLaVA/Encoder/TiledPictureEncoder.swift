import Compression
import Imaging
import Torch

/// LLaVA-NeXT's way from a picture to the decoder: tower and projector for each view alone, then the patches of all tiles as one grid
/// without its margins, with a learned row at the end of each row.
///
/// A picture is one budget whatever its tiles: behind the projector compressors choose among all tokens of it together. What is chosen at the
/// tower's end is chosen there too, by what the tower paid to the patches of each view, put together as the views' patches are; every
/// view's attention has the sum 1.
struct TiledPictureEncoder: VisualEncoder {
  private let tower: VisionTower
  private let projector: Projector
  /// The end of a row, [hiddenSize]; trained with the decoder, whose row it is.
  private let newline: Tensor
  private let configuration: LLaVAConfiguration

  init(_ root: ParameterScope, _ c: LLaVAConfiguration) throws {
    tower = try VisionTower(root / "tower", c.vision)
    projector = try Projector(root / "projector", c)
    newline = try (root / "decoder")("image_newline", [c.text.hiddenSize])
    configuration = c
  }

  var computedLayers: Int { configuration.vision.computedLayers }

  /// All views of all pictures together.
  func callAsFunction(
    _ pictures: [PicturePixels], _ reductions: [EncoderStage], _ context: EncoderContext
  ) throws -> [VisualSegment] {
    if reductions.contains(where: { $0.stage.site == .picture || $0.stage.site.isInTower }) {
      throw CompressionError.unavailable(
        "single views of a picture of several tiles",
        hint: "choose at the tower's end (@tower), behind the projector (@features) or in the decoder")
    }
    let traced = context.tracedLayers(reductions[...], of: computedLayers)
    let layers = Set(traced.values)
    let stills = pictures.filter { !$0.shape.isVideo }
    var seen =
      try stills.isEmpty ? [] : looked(concatenate(stills.map(\.views)), traced: layers).split(stills.map(\.shape.views))[...]
    return try pictures.indices.flatMap { index in
      let shape = pictures[index].shape
      let views: SeenViews
      if shape.isVideo {
        views = try frames(pictures[index].views, traced: layers)
      } else {
        guard let own = seen.popFirst() else { throw TorchError.shapeMismatch(what: "views", found: [], expected: [1]) }
        let layout = TiledLayout(configuration, shape)
        views = try own.mapped(end: newline) { try packed($0, layout, end: $1) }
      }
      var state = EncodedPictures(
        rows: try views.features.unsqueezed(0), layout: configuration.layout(of: shape), context: context.of(index))
      let traces = try views.traces.mapValues { try $0.trace() }
      for (name, layer) in traced { if let trace = traces[layer] { state.add([trace], name) } }
      for reduction in reductions { try state.reduce(EncoderStage(reduction.stage, counts: [reduction.counts[index]])) }
      return try state.segments()
    }
  }

  /// Views [views, channels, size, size] through tower and projector.
  ///
  /// - Parameter pool: makes fewer of each view's patches in between.
  private func looked(_ pixels: Tensor, traced: Set<Int>, _ pool: PooledVideo? = nil) throws -> SeenViews {
    let (rows, layers) = try tower.run(tower.embedded(pixels), layers: 0..<computedLayers, traced: traced)
    var features = try tower.features(rows)
    let hasClassToken = configuration.vision.hasClassToken
    var traces = try layers.mapValues { try ViewTrace($0, hasClassToken: hasClassToken) }
    if let pool {
      features = try onGrid(features) { try pool($0) }
      // What was paid to patches that become one is theirs together, whatever becomes of their features.
      let mean = PooledVideo(stride: pool.stride)
      traces = try traces.mapValues { try $0.mapped { values, _ in try onGrid(values) { try mean($0) } } }
    }
    return SeenViews(features: try projector(features), traces: traces)
  }

  /// Frames [frames, channels, height, width] of a video as rows: what pooling leaves of them; or of each a quarter of its patches, averaged
  /// between neighbours behind the projector, and one end behind them all (transformers' `apply_pooling` of LLaVA-OneVision).
  private func frames(_ views: Tensor, traced: Set<Int>) throws -> SeenViews {
    let (pool, side) = (configuration.pooledVideo, FrameLayout.side(configuration))
    // No more than some at once, as memory grows with them.
    let parts = try stride(from: 0, to: views.size(0), by: Self.framesAtOnce).map { first in
      let part = try views.narrow(0, from: first, length: min(Self.framesAtOnce, views.size(0) - first))
      return try looked(part, traced: traced, pool).mapped(end: newline) { values, _ in
        try (pool == nil ? onGrid(values) { try $0.resizedBilinear(side, side) } : values).reshaped([-1, values.size(2)])
      }
    }
    let joined = try SeenViews.joined(parts)
    return pool == nil ? try joined.mapped(end: newline) { try concatenate([$0, $1.unsqueezed(0)]) } : joined
  }

  private static let framesAtOnce = 16

  /// Patches [views, patches, width], changed as images [views, width, side, side]: [views, tokens, width].
  private func onGrid(_ patches: Tensor, _ change: (Tensor) throws -> Tensor) throws -> Tensor {
    let (views, side, width) = (patches.size(0), configuration.vision.gridSize, patches.size(2))
    let images = try patches.reshaped([views, side, side, width]).permuted([0, 3, 1, 2]).contiguous()
    return try change(images).permuted([0, 2, 3, 1]).reshaped([views, -1, width])
  }

  /// Features [views, patches, width] of a picture as rows, [tokens, width].
  ///
  /// - Parameter end: of each row of patches, [width].
  private func packed(_ features: Tensor, _ layout: TiledLayout, end: Tensor) throws -> Tensor {
    let whole = try features.selected(0, 0)
    let (down, across, side) = (layout.tiles.rows, layout.tiles.columns, configuration.vision.gridSize)
    guard features.size(0) == 1 + down * across else {
      throw TorchError.shapeMismatch(what: "a picture's views", found: [features.size(0)], expected: [1 + down * across])
    }
    let width = features.size(2)
    if down == 0 { return try concatenate([whole, end.unsqueezed(0)]) }
    var grid = try features.narrow(0, from: 1, length: down * across)
      .reshaped([down, across, side, side, width]).permuted([0, 2, 1, 3, 4]).reshaped([down * side, across * side, width])
      .narrow(0, from: layout.rows.lowerBound, length: layout.rows.count)
      .narrow(1, from: layout.columns.lowerBound, length: layout.columns.count)
    if let size = layout.resampled {
      grid = try grid.permuted([2, 0, 1]).unsqueezed(0).resizedBilinear(size.rows, size.columns).squeezed(0).permuted([1, 2, 0])
    }
    let ends = try end.reshaped([1, 1, width]).expanded([grid.size(0), 1, width])
    return try concatenate([whole, concatenate([grid, ends], 1).reshaped([-1, width])])
  }
}
