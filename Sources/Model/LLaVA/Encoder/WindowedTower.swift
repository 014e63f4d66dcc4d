import Compression
import Foundation
import Torch

/// The vision tower of Qwen2-VL and Qwen2.5-VL: patches of a picture of any size, layers within windows or over all of it.
///
/// Rows come in cells of mergeSize² patches that become one token, cell after cell. Windows are runs of cells, those of one size together,
/// so that each size attends in one call; a token's place among the rows has no meaning for the tower.
struct WindowedTower: Sendable {
  private struct Layer: Sendable {
    let norm1, norm2: Norm
    let input, output, up, down: Linear
    /// The gate; nil where the MLP has none, and is activated as the configuration says.
    let gate: Linear?
    let activation: VisionConfiguration.Activation

    init(_ p: ParameterScope, _ c: VisionConfiguration, _ block: WindowedVision.Block) throws {
      func norm(_ name: String) throws -> Norm {
        try block == .gated
          ? .rms(RMSNorm(p / name, c.hiddenSize, epsilon: 1e-6)) : .layer(LayerNorm(p / name, c.hiddenSize, epsilon: 1e-6))
      }
      let (mlp, isGated) = (p / "mlp", block == .gated)
      activation = c.activation
      norm1 = try norm("norm1")
      input = try Linear(p / "attn" / "qkv", c.hiddenSize, 3 * c.hiddenSize, bias: true)
      output = try Linear(p / "attn" / "proj", c.hiddenSize, c.hiddenSize, bias: true)
      norm2 = try norm("norm2")
      gate = isGated ? try Linear(mlp / "gate_proj", c.hiddenSize, c.intermediateSize, bias: true) : nil
      up = try Linear(mlp / (isGated ? "up_proj" : "fc1"), c.hiddenSize, c.intermediateSize, bias: true)
      down = try Linear(mlp / (isGated ? "down_proj" : "fc2"), c.intermediateSize, c.hiddenSize, bias: true)
    }

    /// x [grids · rows, hiddenSize], grid after grid; of each the windows of equal sizes lie together: how many there are of each size,
    /// and their rows.
    ///
    /// - Returns: the rows, and queries and keys after rotation, [grids · rows, heads, headDimension].
    func callAsFunction(
      _ x: Tensor, _ heads: Int, _ angles: RotaryEmbedding.Angles, grids: Int, windows: [(count: Int, rows: Int)]
    ) throws -> (rows: Tensor, queries: Tensor, keys: Tensor) {
      let (rows, width) = (x.size(0), x.size(1))
      let parts = try input(norm1(x)).reshaped([rows, 3, heads, width / heads])
      func turned(_ part: Int) throws -> Tensor {
        let own = try parts.selected(1, part)
        return try own.to(.float32).rotatingHalves(angles.cosine, angles.sine).to(own.dtype)
      }
      let (queries, keys, values) = (try turned(0), try turned(1), try parts.selected(1, 2))
      var first = 0
      let mixed = try windows.map { count, size in
        defer { first += count * size }
        func part(_ t: Tensor) throws -> Tensor {
          try t.reshaped([grids, rows / grids, heads, width / heads]).narrow(1, from: first, length: count * size)
            .reshaped([grids * count, size, heads, width / heads]).transposed(1, 2)
        }
        return try attendToAll(part(queries), part(keys), part(values)).transposed(1, 2).reshaped([grids, count * size, width])
      }
      let y = try x + output(concatenate(mixed, 1).reshaped([rows, width]))
      let inner = try norm2(y)
      return (try y + down(gate.map { try $0(inner).gating(up(inner)) } ?? activation(up(inner))), queries, keys)
    }
  }

  private let vision: VisionConfiguration
  private let windowed: WindowedVision
  /// [hiddenSize, channels, temporalPatchSize, patchSize, patchSize].
  private let patchEmbedding: Tensor
  private let layers: [Layer]

  init(_ p: ParameterScope, _ c: VisionConfiguration, _ w: WindowedVision) throws {
    (vision, windowed) = (c, w)
    patchEmbedding = try (p / "patch_embed" / "proj")(
      "weight", [c.hiddenSize, c.channels, w.temporalPatchSize, c.patchSize, c.patchSize])
    layers = try (0..<c.layers).map { try Layer(p / "blocks" / "\($0)", c, w.block) }
  }

  /// Frames [frames, channels, height, width], both sides multiples of a cell's, to [grids · cells, mergeSize², hiddenSize] in raster
  /// order of the cells: a grid for a picture, for a video one for each `temporalPatchSize` frames, the last frame filling up.
  ///
  /// Nothing in the tower looks from one grid to another, so no more than some are computed at once.
  ///
  /// - Parameter traced: layers of which traces are wanted, by index; their tokens are the cells.
  /// - Throws: `TorchError` for pixels of another shape.
  func callAsFunction(_ frames: Tensor, traced: Set<Int> = []) throws -> (cells: Tensor, traces: [Int: TowerTrace]) {
    let side = windowed.mergeSize * vision.patchSize
    let grid = TokenGrid(rows: frames.size(2) / side, columns: frames.size(3) / side)
    try frames.requireShape([nil, vision.channels, grid.rows * side, grid.columns * side], "image pixels")
    let size = windowed.temporalPatchSize
    let most = max(1, Self.patchesAtOnce / max(1, grid.count * windowed.mergeSize * windowed.mergeSize)) * size
    if frames.size(0) <= most { return try cells(frames, grid, traced) }
    let parts = try stride(from: 0, to: frames.size(0), by: most).map { first in
      try cells(frames.narrow(0, from: first, length: min(most, frames.size(0) - first)), grid, traced)
    }
    let traces = try traced.map { layer in (layer, try CellTrace.joined(parts.compactMap { $0.traces[layer] })) }
    return (try concatenate(parts.map(\.cells)), Dictionary(uniqueKeysWithValues: traces))
  }

  /// About as many patches are computed at once, as memory grows with them.
  private static let patchesAtOnce = 16_384

  private func cells(
    _ pixels: Tensor, _ grid: TokenGrid, _ traced: Set<Int>
  ) throws -> (cells: Tensor, traces: [Int: TowerTrace]) {
    let (merge, side) = (windowed.mergeSize, windowed.mergeSize * vision.patchSize)
    let grids = grids(ofFrames: pixels.size(0))
    let order = WindowOrder(grid, side: max(1, windowed.windowSize / side))
    let cells = try Tensor(order.cells, on: pixels.device)
    let area = merge * merge
    var x = try linear(
      patchRows(pixels.to(patchEmbedding.dtype)), patchEmbedding.reshaped([vision.hiddenSize, -1]), nil)
    x = try x.reshaped([grids, grid.count, area, -1]).rows(cells, 1).reshaped([grids * grid.count * area, -1])
    let angles = try angles(order.cells, grid, grids, on: pixels.device)
    let windows = order.windows.map { (count: $0.count, rows: $0.cells * area) }
    let inverse = try Tensor(order.inverse, on: pixels.device)
    var traces: [Int: TowerTrace] = [:]
    for (index, layer) in layers.enumerated() {
      let own = windowed.fullAttentionLayers.contains(index) ? [(count: 1, rows: grid.count * area)] : windows
      let (y, queries, keys) = try layer(x, vision.heads, angles, grids: grids, windows: own)
      if traced.contains(index) {
        traces[index] = try CellTrace.trace(
          queries: queries, keys: keys, grids: grids, windows: own, rowsPerToken: area, order: inverse)
      }
      x = y
    }
    let found = try x.reshaped([grids, grid.count, area, -1]).rows(inverse, 1).reshaped([grids * grid.count, area, -1])
    return (found, traces)
  }

  /// Grids of a video of so many frames.
  private func grids(ofFrames frames: Int) -> Int { (frames + windowed.temporalPatchSize - 1) / windowed.temporalPatchSize }

  /// Patches of frames [frames, channels, height, width] in cells, cells in raster order, grid after grid: [patches, channels ·
  /// temporalPatchSize · patchSize²]; a picture is a film that stands still, and a film's last frame fills up its last grid.
  func patchRows(_ frames: Tensor) throws -> Tensor {
    let (merge, patch, depth) = (windowed.mergeSize, vision.patchSize, windowed.temporalPatchSize)
    let (rows, columns) = (frames.size(2) / (merge * patch), frames.size(3) / (merge * patch))
    let (count, grids) = (frames.size(0), grids(ofFrames: frames.size(0)))
    var all = frames
    if grids * depth > count {
      let last = try frames.narrow(0, from: count - 1, length: 1)
      all = try concatenate([frames, last.expanded([grids * depth - count] + frames.shape.dropFirst())])
    }
    return try all.reshaped([grids, depth, vision.channels, rows, merge, patch, columns, merge, patch])
      .permuted([0, 3, 6, 4, 7, 2, 1, 5, 8])
      .reshaped([grids * rows * columns * merge * merge, vision.channels * depth * patch * patch])
  }

  /// Angles of all patches, cell after cell, the same in each grid: half of a head turns by the row and half by the column, in float32.
  private func angles(_ cells: [Int], _ grid: TokenGrid, _ grids: Int, on device: Device) throws -> RotaryEmbedding.Angles {
    let merge = windowed.mergeSize
    let half = vision.hiddenSize / vision.heads / 2
    let frequencies = stride(from: 0, to: half, by: 2).map { Float(1 / pow(10_000, Double($0) / Double(half))) }
    var places: [Float] = []
    for cell in cells {
      let (row, column) = (cell / grid.columns * merge, cell % grid.columns * merge)
      for y in 0..<merge { for x in 0..<merge { places += [Float(row + y), Float(column + x)] } }
    }
    let turns = try Tensor(places, [places.count / 2, 2, 1], on: device) * Tensor(frequencies, on: device).reshaped([1, 1, -1])
    let one = try turns.reshaped([places.count / 2, half])
    let full = try concatenate(Array(repeating: concatenate([one, one], 1).unsqueezed(1), count: grids))
    return RotaryEmbedding.Angles(cosine: try full.cos(), sine: try full.sin())
  }
}

/// The cells of a grid in windows of at most side × side, windows of one shape together.
struct WindowOrder: Sendable, Equatable {
  /// How many windows there are of so many cells.
  struct Group: Sendable, Equatable {
    var count: Int
    let cells: Int
  }

  /// Cells in the order of the windows, by their places in the grid.
  private(set) var cells: [Int] = []
  /// Windows in that order; those beside each other have equal sizes.
  private(set) var windows: [Group] = []
  /// For each cell of the grid its place in that order.
  let inverse: [Int]

  init(_ grid: TokenGrid, side: Int) {
    func parts(_ count: Int) -> [Range<Int>] { stride(from: 0, to: count, by: side).map { $0..<min($0 + side, count) } }
    let all = parts(grid.rows).flatMap { rows in parts(grid.columns).map { (rows: rows, columns: $0) } }
    let sizes = Dictionary(grouping: all) { $0.rows.count * $0.columns.count }
    for (size, members) in sizes.sorted(by: { $0.key > $1.key }) {
      windows.append(Group(count: members.count, cells: size))
      for window in members { cells += window.rows.flatMap { row in window.columns.map { row * grid.columns + $0 } } }
    }
    var inverse = cells
    for (place, cell) in cells.enumerated() { inverse[cell] = place }
    self.inverse = inverse
  }
}
