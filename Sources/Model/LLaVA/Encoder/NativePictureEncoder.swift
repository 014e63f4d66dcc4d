import Compression
import Imaging
import Torch

/// The way of Qwen2-VL and Qwen2.5-VL from a picture or a video to the decoder: the tower at the picture's own resolution, then a merger that makes one token
/// of each cell of patches, at positions of two dimensions, and of time.
///
/// Tokens are made by the merger, so what is chosen at the tower's end is chosen behind it, by what the tower paid to the patches of each.
struct NativePictureEncoder: VisualEncoder {
  private let tower: WindowedTower
  private let norm: Norm
  private let first, second: Linear
  private let configuration: LLaVAConfiguration
  private let windowed: WindowedVision

  init(_ root: ParameterScope, _ c: LLaVAConfiguration, _ w: WindowedVision) throws {
    (configuration, windowed) = (c, w)
    tower = try WindowedTower(root / "tower", c.vision, w)
    let (merger, width) = (root / "projector", c.vision.hiddenSize * w.mergeSize * w.mergeSize)
    norm =
      try w.block == .gated
      ? .rms(RMSNorm(merger / "ln_q", c.vision.hiddenSize, epsilon: 1e-6))
      : .layer(LayerNorm(merger / "ln_q", c.vision.hiddenSize, epsilon: 1e-6))
    first = try Linear(merger / "mlp" / "0", width, width, bias: true)
    second = try Linear(merger / "mlp" / "2", width, c.text.hiddenSize, bias: true)
  }

  var computedLayers: Int { configuration.vision.layers }

  /// One after the other, as their sizes differ.
  func callAsFunction(
    _ pictures: [PicturePixels], _ reductions: [EncoderStage], _ context: EncoderContext
  ) throws -> [VisualSegment] {
    if reductions.contains(where: { $0.stage.site.isInTower }) {
      throw CompressionError.unavailable(
        "tokens between layers of this tower",
        hint: "choose at its end (@tower), behind the projector (@features) or in the decoder")
    }
    return try pictures.indices.flatMap { index in
      try encoded(
        pictures[index], reductions.map { EncoderStage($0.stage, counts: [$0.counts[index]]) }, context.of(index))
    }
  }

  private func encoded(_ picture: PicturePixels, _ reductions: [EncoderStage], _ context: EncoderContext) throws
    -> [VisualSegment]
  {
    try picture.views.requireShape(
      [picture.shape.isVideo ? nil : 1, configuration.vision.channels, nil, nil], "a picture's views")
    var pixels = picture.views
    var layout = configuration.layout(of: picture.shape)
    var rest = reductions[...]
    if let stage = rest.first, stage.stage.site == .picture {
      let (grid, side) = (
        try stage.stage.resized(layout, to: stage.counts[0]), windowed.mergeSize * configuration.vision.patchSize
      )
      pixels = try pixels.to(.float32).resizedBicubic(grid.rows * side, grid.columns * side, antialias: true)
      layout = TokenLayout(grid)
      rest = rest.dropFirst()
    }
    let traced = context.tracedLayers(rest, of: computedLayers)
    let (cells, traces) = try tower(pixels, traced: Set(traced.values))
    let normed = try norm(cells)
    let rows = try second(first(normed.reshaped([cells.size(0), -1])).gelu())
    var state = EncodedPictures(rows: try rows.unsqueezed(0), layout: layout, context: context)
    for (name, layer) in traced { if let trace = traces[layer] { state.add([trace], name) } }
    for stage in rest { try state.reduce(stage) }
    let grid = layout.grids.first ?? TokenGrid(rows: 0, columns: 0)
    let moments = moments(picture.shape, grids: layout.grids.count)
    return try state.segments().map { segment in
      var segment = segment
      // Merged tokens stand where those stood that they stand for.
      let places = try Self.places(grid, moments, on: rows.device)
      segment.places = try segment.kept.map { try places.rows($0, 1) } ?? places
      segment.positions = max(grid.rows, grid.columns)
      segment.reach = max(segment.positions, (moments.last ?? 0) + 1)
      if configuration.textAfterVideo == .afterAllPositions { segment.positions = segment.reach }
      return segment
    }
  }

  /// When each grid begins, in positions: ⌊i · tokensPerSecond · seconds of a grid⌋, in the single precision of transformers; its number
  /// where time does not count.
  private func moments(_ shape: PictureShape, grids: Int) -> [Int] {
    guard let perSecond = windowed.tokensPerSecond else { return Array(0..<grids) }
    let interval = Float(perSecond) * Float((shape.secondsPerFrame ?? 0) * Double(windowed.temporalPatchSize))
    // Positions beyond any context are refused where the prompt's length is.
    return (0..<grids).map { Int(min(Float($0) * interval, Float(1 << 30))) }
  }

  /// Time, row and column of each token of equal grids, [3, tokens] int64.
  private static func places(_ grid: TokenGrid, _ moments: [Int], on device: Device) throws -> Tensor {
    let times = moments.flatMap { repeatElement($0, count: grid.count) }
    let rows = moments.flatMap { _ in (0..<grid.rows).flatMap { row in repeatElement(row, count: grid.columns) } }
    let columns = moments.flatMap { _ in (0..<grid.rows).flatMap { _ in 0..<grid.columns } }
    return try Tensor(times + rows + columns, [3, times.count], on: device)
  }
}
