import Compression
import Torch

/// A vision tower of CLIP's or SigLIP's kind: pixels in, the patch features of one chosen layer out.
///
/// Layers after the chosen one are kept as weights, because a checkpoint must stay whole, and are never computed.
public struct VisionTower: Sendable {
  private struct Layer: Sendable {
    let norm1: LayerNorm
    let query, key, value, output: Linear
    let norm2: LayerNorm
    let up, down: Linear

    init(_ p: ParameterScope, _ c: VisionConfiguration) throws {
      norm1 = try LayerNorm(p / "layer_norm1", c.hiddenSize, epsilon: c.layerNormEpsilon)
      let attention = p / "self_attn"
      query = try Linear(attention / "q_proj", c.hiddenSize, c.hiddenSize, bias: true)
      key = try Linear(attention / "k_proj", c.hiddenSize, c.hiddenSize, bias: true)
      value = try Linear(attention / "v_proj", c.hiddenSize, c.hiddenSize, bias: true)
      output = try Linear(attention / "out_proj", c.hiddenSize, c.hiddenSize, bias: true)
      norm2 = try LayerNorm(p / "layer_norm2", c.hiddenSize, epsilon: c.layerNormEpsilon)
      up = try Linear(p / "mlp" / "fc1", c.hiddenSize, c.intermediateSize, bias: true)
      down = try Linear(p / "mlp" / "fc2", c.intermediateSize, c.hiddenSize, bias: true)
    }

    /// - Returns: the rows, and queries and keys [images, heads, rows, headDimension].
    func callAsFunction(
      _ x: Tensor, _ c: VisionConfiguration, keyBias: Tensor?
    ) throws -> (rows: Tensor, queries: Tensor, keys: Tensor) {
      let (images, tokens) = (x.size(0), x.size(1))
      let normed = try norm1(x)
      let (queries, keys) = try queriesAndKeys(normed, c)
      let mixed = try attendToAll(queries, keys, split(value(normed), c), bias: keyBias)
      let x = try x + output(mixed.transposed(1, 2).reshaped([images, tokens, c.hiddenSize]))
      return (try x + down(c.activation(up(norm2(x)))), queries, keys)
    }

    /// Queries and keys of normalised rows.
    func queriesAndKeys(_ normed: Tensor, _ c: VisionConfiguration) throws -> (queries: Tensor, keys: Tensor) {
      (try split(query(normed), c), try split(key(normed), c))
    }

    private func split(_ t: Tensor, _ c: VisionConfiguration) throws -> Tensor {
      try t.reshaped([t.size(0), t.size(1), c.heads, c.hiddenSize / c.heads]).transposed(1, 2)
    }
  }

  /// The tower's shape.
  public let configuration: VisionConfiguration
  private let classEmbedding: Tensor?
  private let patchEmbedding: Tensor
  private let patchBias: Tensor?
  private let positionEmbedding: Tensor
  private let preNorm: LayerNorm?
  /// Rows before the first patch.
  private var first: Int { configuration.hasClassToken ? 1 : 0 }
  private let layers: [Layer]

  /// Pulls all weights of the tower.
  public init(_ p: ParameterScope, _ c: VisionConfiguration) throws {
    configuration = c
    let embeddings = p / "embeddings"
    classEmbedding = c.hasClassToken ? try embeddings("class_embedding", [c.hiddenSize]) : nil
    patchEmbedding = try embeddings("patch_embedding.weight", [c.hiddenSize, c.channels, c.patchSize, c.patchSize])
    patchBias = c.tower == .siglip ? try embeddings("patch_embedding.bias", [c.hiddenSize]) : nil
    positionEmbedding = try embeddings(
      "position_embedding.weight", [c.patches + (c.hasClassToken ? 1 : 0), c.hiddenSize])
    preNorm = c.tower == .clip ? try LayerNorm(p / "pre_layrnorm", c.hiddenSize, epsilon: c.layerNormEpsilon) : nil
    layers = try (0..<c.layers).map { try Layer(p / "encoder" / "layers" / "\($0)", c) }
    if p.contains("post_layernorm.weight") {
      // Not used for features, but transformers wants it in the file.
      _ = try LayerNorm(p / "post_layernorm", c.hiddenSize, epsilon: c.layerNormEpsilon)
    }
  }

  /// Features of the chosen layer: pixels [images, channels, size, size] to [images, tokens, hiddenSize].
  ///
  /// - Parameter grid: the patches to see the pictures in, which are shrunk to as many; nil for the tower's own.
  /// - Throws: `TorchError.shapeMismatch` for pixels of another size.
  public func callAsFunction(_ pixels: Tensor, grid: TokenGrid? = nil) throws -> Tensor {
    try features(run(embedded(pixels, grid: grid), layers: 0..<configuration.computedLayers).rows)
  }

  /// The first layer's input: a class token where there is one, and patches of each picture, [images, rows, hiddenSize].
  func embedded(_ pixels: Tensor, grid: TokenGrid? = nil) throws -> Tensor {
    let c = configuration
    try pixels.requireShape([nil, c.channels, c.imageSize, c.imageSize], "image pixels")
    let images = pixels.size(0)
    let pixels = try grid.map { try shrunk(pixels, to: $0) } ?? pixels
    var rows = try linear(patchRows(pixels.to(patchEmbedding.dtype)), patchEmbedding.reshaped([c.hiddenSize, -1]), patchBias)
    if let classEmbedding {
      rows = try concatenate([classEmbedding.reshaped([1, 1, c.hiddenSize]).expanded([images, 1, c.hiddenSize]), rows], 1)
    }
    rows = try rows + (grid.map(positions) ?? positionEmbedding)
    return try preNorm?(rows) ?? rows
  }

  /// Some layers over [images, rows, hiddenSize].
  ///
  /// - Parameters:
  ///   - traced: layers whose queries and keys, [images, heads, rows, headDimension], are wanted.
  ///   - keyBias: what is added to the scores of each row's key, [images, 1, 1, rows] float32.
  func run(
    _ rows: Tensor, layers range: Range<Int>, traced: Set<Int> = [], keyBias: Tensor? = nil
  ) throws -> (rows: Tensor, traces: [Int: (queries: Tensor, keys: Tensor)]) {
    var x = rows
    var traces: [Int: (queries: Tensor, keys: Tensor)] = [:]
    for index in range {
      let (y, queries, keys) = try layers[index](x, configuration, keyBias: keyBias)
      if traced.contains(index) { traces[index] = (queries, keys) }
      x = y
    }
    return (x, traces)
  }

  /// What a layer would attend with, [images, heads, rows, headDimension], without computing it; nil where the tower has no such layer.
  func queriesAndKeys(_ rows: Tensor, layer: Int) throws -> (queries: Tensor, keys: Tensor)? {
    guard layers.indices.contains(layer) else { return nil }
    return try withoutGradient { try layers[layer].queriesAndKeys(layers[layer].norm1(rows), configuration) }
  }

  /// The rows that become visual tokens: without the class token unless it is one.
  func features(_ rows: Tensor) throws -> Tensor {
    configuration.featureSelection == .full ? rows : try rows.narrow(1, from: first, length: rows.size(1) - first)
  }

  /// Pictures of as many pixels as a grid of patches has, in float32: antialiased bicubic resampling.
  private func shrunk(_ pixels: Tensor, to grid: TokenGrid) throws -> Tensor {
    let used = configuration.gridSize * configuration.patchSize
    let cropped = try pixels.to(.float32).narrow(2, from: 0, length: used).narrow(3, from: 0, length: used)
    return try cropped.resizedBicubic(
      grid.rows * configuration.patchSize, grid.columns * configuration.patchSize, antialias: true)
  }

  /// The learned positions at the places of another grid, the class token's first: bicubic, as transformers interpolates them.
  private func positions(_ grid: TokenGrid) throws -> Tensor {
    let c = configuration
    let patches = try positionEmbedding.narrow(0, from: first, length: c.patches).to(.float32)
    let image = try patches.reshaped([1, c.gridSize, c.gridSize, c.hiddenSize]).permuted([0, 3, 1, 2])
    let resized = try image.resizedBicubic(grid.rows, grid.columns, antialias: false).permuted([0, 2, 3, 1])
    let rows = try resized.reshaped([grid.patches, c.hiddenSize]).to(positionEmbedding.dtype)
    return first == 0 ? rows : try concatenate([positionEmbedding.narrow(0, from: 0, length: 1), rows])
  }

  /// Pixels as rows of one patch each, in raster order: [images, patches, channels · patchSize²].
  private func patchRows(_ pixels: Tensor) throws -> Tensor {
    let c = configuration
    let (rows, columns) = (pixels.size(2) / c.patchSize, pixels.size(3) / c.patchSize)
    // A side that is no multiple of the patch loses its last pixels, as a convolution with that stride does.
    let cropped = try pixels.narrow(2, from: 0, length: rows * c.patchSize).narrow(3, from: 0, length: columns * c.patchSize)
    return try cropped.reshaped([pixels.size(0), c.channels, rows, c.patchSize, columns, c.patchSize])
      .permuted([0, 2, 4, 1, 3, 5]).reshaped([pixels.size(0), rows * columns, c.channels * c.patchSize * c.patchSize])
  }
}

extension VisionConfiguration.Activation {
  /// Element by element.
  func callAsFunction(_ x: Tensor) throws -> Tensor {
    switch self {
    case .quickGELU: try x * (x * 1.702).sigmoid()
    case .gelu: try x.gelu()
    case .tanhGELU: try x.tanhGELU()
    }
  }
}
