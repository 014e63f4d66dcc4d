import Compression
import Imaging
import Torch

/// LLaVA-NeXT's way from a picture to the decoder: tower and projector for each view alone, then the patches of all tiles as one grid
/// without its margins, with a learned row at the end of each row.
///
/// A picture is one budget whatever its tiles: behind the projector strategies choose among all tokens of it together.
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
    if !context.towerLayers.isEmpty || reductions.contains(where: { $0.stage.site != .features }) {
      throw CompressionError.unavailable(
        "single views of a picture of several tiles", hint: "choose behind the projector (@features) or in the decoder")
    }
    let stills = pictures.filter { !$0.shape.isVideo }
    var features =
      try stills.isEmpty
      ? [] : projector(tower(concatenate(stills.map(\.views)))).split(stills.map(\.shape.views))[...]
    return try pictures.indices.flatMap { index in
      let shape = pictures[index].shape
      let rows: Tensor
      if shape.isVideo {
        rows = try frames(pictures[index].views)
      } else {
        guard let own = features.popFirst() else { throw TorchError.shapeMismatch(what: "views", found: [], expected: [1]) }
        rows = try packed(own, TiledLayout(configuration, shape))
      }
      var state = EncodedPictures(
        rows: try rows.unsqueezed(0), layout: configuration.layout(of: shape), context: context.of(index))
      for reduction in reductions { try state.reduce(EncoderStage(reduction.stage, counts: [reduction.counts[index]])) }
      return try state.segments()
    }
  }

  /// Frames [frames, channels, height, width] of a video as rows: of each a quarter of its patches, averaged between neighbours, and one
  /// end behind them all (transformers' `apply_pooling`).
  private func frames(_ views: Tensor) throws -> Tensor {
    let (side, width) = (configuration.vision.gridSize, newline.size(0))
    let pooled = FrameLayout.side(configuration)
    // No more than some at once, as memory grows with them.
    let parts = try stride(from: 0, to: views.size(0), by: Self.framesAtOnce).map { first in
      let part = try views.narrow(0, from: first, length: min(Self.framesAtOnce, views.size(0) - first))
      return try projector(tower(part)).reshaped([-1, side, side, width]).permuted([0, 3, 1, 2]).contiguous()
        .resizedBilinear(pooled, pooled).permuted([0, 2, 3, 1]).reshaped([-1, width])
    }
    return try concatenate(parts + [newline.unsqueezed(0)])
  }

  private static let framesAtOnce = 16

  /// Features [views, patches, hiddenSize] of a picture as rows, [tokens, hiddenSize].
  private func packed(_ features: Tensor, _ layout: TiledLayout) throws -> Tensor {
    let whole = try features.selected(0, 0)
    let (down, across, side) = (layout.tiles.rows, layout.tiles.columns, configuration.vision.gridSize)
    guard features.size(0) == 1 + down * across else {
      throw TorchError.shapeMismatch(what: "a picture's views", found: [features.size(0)], expected: [1 + down * across])
    }
    let width = newline.size(0)
    if down == 0 { return try concatenate([whole, newline.unsqueezed(0)]) }
    var grid = try features.narrow(0, from: 1, length: down * across)
      .reshaped([down, across, side, side, width]).permuted([0, 2, 1, 3, 4]).reshaped([down * side, across * side, width])
      .narrow(0, from: layout.rows.lowerBound, length: layout.rows.count)
      .narrow(1, from: layout.columns.lowerBound, length: layout.columns.count)
    if let size = layout.resampled {
      grid = try grid.permuted([2, 0, 1]).unsqueezed(0).resizedBilinear(size.rows, size.columns).squeezed(0).permuted([1, 2, 0])
    }
    let ends = try newline.reshaped([1, 1, width]).expanded([grid.size(0), 1, width])
    return try concatenate([whole, concatenate([grid, ends], 1).reshaped([-1, width])])
  }
}
