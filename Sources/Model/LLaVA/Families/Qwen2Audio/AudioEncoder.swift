import Compression
import Imaging
import Torch

/// Qwen2-Audio's way from a spectrogram to the decoder: two convolutions, Whisper's encoder, an average of each two rows, a
/// normalisation, and one linear layer.
///
/// Silence that fills up a spectrogram is masked in transformers; here its rows are not computed at all, which comes to the same.
struct AudioEncoder: VisualEncoder {
  private struct Layer: Sendable {
    let norm1, norm2: LayerNorm
    let query, key, value, output, up, down: Linear

    init(_ p: ParameterScope, _ c: VisionConfiguration) throws {
      let (attention, width) = (p / "self_attn", c.hiddenSize)
      norm1 = try LayerNorm(p / "self_attn_layer_norm", width, epsilon: 1e-5)
      query = try Linear(attention / "q_proj", width, width, bias: true)
      key = try Linear(attention / "k_proj", width, width, bias: false)
      value = try Linear(attention / "v_proj", width, width, bias: true)
      output = try Linear(attention / "out_proj", width, width, bias: true)
      norm2 = try LayerNorm(p / "final_layer_norm", width, epsilon: 1e-5)
      up = try Linear(p / "fc1", width, c.intermediateSize, bias: true)
      down = try Linear(p / "fc2", c.intermediateSize, width, bias: true)
    }

    /// [rows, width] to the same.
    func callAsFunction(_ x: Tensor, _ c: VisionConfiguration) throws -> Tensor {
      func heads(_ t: Tensor) throws -> Tensor {
        try t.reshaped([1, t.size(0), c.heads, c.hiddenSize / c.heads]).transposed(1, 2)
      }
      let normed = try norm1(x)
      let mixed = try attendToAll(heads(query(normed)), heads(key(normed)), heads(value(normed)))
      let x = try x + output(mixed.transposed(1, 2).reshaped([x.size(0), c.hiddenSize]))
      return try x + down(up(norm2(x)).gelu())
    }
  }

  private let convolutions: [(weight: Tensor, bias: Tensor)]
  private let positions: Tensor
  private let layers: [Layer]
  private let norm: LayerNorm
  private let projector: Projector
  private let configuration: LLaVAConfiguration
  private let audio: AudioConfiguration

  init(_ root: ParameterScope, _ c: LLaVAConfiguration, _ audio: AudioConfiguration) throws {
    (configuration, self.audio) = (c, audio)
    let (tower, width) = (root / "tower", c.vision.hiddenSize)
    convolutions = try [("conv1", audio.spectrogram.bands), ("conv2", width)].map { name, inputs in
      (try (tower / name)("weight", [width, inputs, 3]), try (tower / name)("bias", [width]))
    }
    positions = try tower("embed_positions.weight", [audio.positions, width])
    layers = try (0..<c.vision.layers).map { try Layer(tower / "layers" / "\($0)", c.vision) }
    norm = try LayerNorm(tower / "layer_norm", width, epsilon: 1e-5)
    projector = try Projector(root / "projector", c)
  }

  var computedLayers: Int { configuration.vision.layers }

  /// One after the other, as they are of unequal length.
  func callAsFunction(
    _ pictures: [PicturePixels], _ reductions: [EncoderStage], _ context: EncoderContext
  ) throws -> [VisualSegment] {
    if !context.towerLayers.isEmpty || reductions.contains(where: { $0.stage.site != .features }) {
      throw CompressionError.unavailable(
        "tokens between layers of an encoder of sound", hint: "choose behind the projector (@features) or in the decoder")
    }
    return try pictures.indices.flatMap { index in
      let layout = configuration.layout(of: pictures[index].shape)
      var state = EncodedPictures(
        rows: try rows(pictures[index], tokens: layout.count).unsqueezed(0), layout: layout, context: context.of(index))
      for reduction in reductions { try state.reduce(EncoderStage(reduction.stage, counts: [reduction.counts[index]])) }
      return try state.segments()
    }
  }

  /// [tokens, hiddenSize of the decoder].
  private func rows(_ clip: PicturePixels, tokens: Int) throws -> Tensor {
    let (bands, frames) = (audio.spectrogram.bands, 2 * audio.positions)
    try clip.views.requireShape([1, 1, bands, frames], "a spectrogram")
    // Rows behind both convolutions, the second of which halves; each sees one neighbour on each side in either.
    let heard = audio.rows(frames: clip.shape.width)
    let seen = min(frames, 2 * heard + 2)
    let input = try clip.views.reshaped([bands, frames]).narrow(1, from: 0, length: seen).transposed(0, 1)
    let first = try convolved(input.to(positions.dtype), 0).gelu()
    var x = try convolved(first, 1).gelu()
    x = try x.rows(Tensor((0..<heard).map { 2 * $0 }, on: x.device)) + positions.narrow(0, from: 0, length: heard)
    for layer in layers { x = try layer(x, configuration.vision) }
    // An odd row at the end is attended to, but no token is made of it.
    let pairs = try x.narrow(0, from: 0, length: 2 * tokens).reshaped([tokens, 2, x.size(1)])
    return try projector(norm(pairs.mean(1)))
  }

  /// Rows [frames, inputs] under a kernel of three rows, with zeros at both ends: [frames, width].
  private func convolved(_ x: Tensor, _ index: Int) throws -> Tensor {
    let (weight, bias) = convolutions[index]
    let zeros = try Tensor.zeros([1, x.size(1)], x.dtype, on: x.device)
    let padded = try concatenate([zeros, x, zeros])
    let columns = try concatenate((0..<3).map { try padded.narrow(0, from: $0, length: x.size(0)) }, 1)
    return try linear(columns, weight.permuted([0, 2, 1]).reshaped([weight.size(0), -1]), bias)
  }
}
