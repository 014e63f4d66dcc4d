import LLaVA
import Torch

/// Bytes that a decoder layer's activations take for each row, by what each operator keeps for its backward pass (`LlamaLayer`,
/// `Tensor+DecoderRows`, `attend`).
struct LayerMemory {
  /// The layer's input, which alone is kept where activations are computed again.
  let input: Double
  /// All that a layer keeps of a row, its input included.
  let row: Double
  /// Of the last layer: what it keeps of every row, and besides of a row that is asked for, its result included.
  let lastRow, askedRow: Double
  /// What the backward pass has of a row besides, at its widest: gradients of the MLP's two inner results and of its input and result.
  let backwardRow: Double
  /// What a layer has of a row at its widest where nothing is recorded.
  let unrecordedRow: Double
  /// Cosines and sines of a row's position, and its numbers; all layers that run over the same rows share them.
  let angles: Double
  /// Of the last layer: what its mask takes of each row that is asked for and each column.
  let mask: Double
  /// float32 copies of the layer's matrices, where products need them; kept with the rows.
  let copies: Double

  init(_ setting: MemorySetting) {
    let (c, e, machine) = (setting.model.text, setting.element, setting.machine)
    let (h, i) = (Double(c.hiddenSize), Double(c.intermediateSize))
    let (q, kv) = (Double(c.heads * c.headDimension), Double(c.keyValueHeads * c.headDimension))
    let copiesFloats = !machine.isGPU && setting.configuration.dtype == .bfloat16 && !machine.hasNativeBFloat16
    // Products on bfloat16 hardware; a fused kernel elsewhere, which keeps its result and a sum for each head and row.
    let isFused = machine.isGPU || setting.configuration.dtype != .bfloat16 || !machine.hasNativeBFloat16
    /// What linear layers keep of their common input, for the gradients of their weights.
    func kept(_ width: Double, _ targets: LoRAOptions.Target...) -> Double {
      let learning = Double(targets.count(where: setting.learns))
      return copiesFloats ? 4 * width * learning : e * width * min(1, learning)
    }
    let rank = Double(setting.configuration.loraOptions?.rank ?? 0)
    let adapted = setting.configuration.loraOptions?.targets ?? []
    func low(_ targets: LoRAOptions.Target...) -> Double {
      Double(targets.count(where: adapted.contains)) * rank * (copiesFloats ? 4 : e)
    }
    // A norm keeps its input and one scale.
    let norm = 4.0
    let sums = isFused ? e * q + 4 * Double(c.heads) : 0
    // The results of several samples are put together in a copy on a CPU; with one sample, and on a GPU, it is the kernel's own.
    let isCopied = !isFused || copiesFloats || !machine.isGPU && setting.batch.samples > 1
    let mixed = isCopied ? kept(q, .output) : 0
    let mlp = kept(h, .gate, .up) + (machine.isGPU ? 3 : 2) * e * i + kept(i, .down) + low(.gate, .up, .down)
    let behind = mixed + low(.output) + e * h + norm + mlp
    input = e * h
    row = input + norm + kept(h, .query, .key, .value) + e * (q + 2 * kv) + low(.query, .key, .value) + sums + behind
    lastRow = input + norm + kept(h, .key, .value) + e * 2 * kv + low(.key, .value)
    askedRow = kept(h, .query) + e * q + low(.query) + sums + behind + e * h
    backwardRow = e * (2 * i + 2 * h)
    angles = 2 * e * Double(c.headDimension) + 16
    mask = isFused && !machine.isGPU ? 4 : 0
    unrecordedRow = e * (2 * h + 3 * i)
    copies = copiesFloats ? 4 * (h * (2 * q + 2 * kv) + 3 * h * i) : 0
  }
}

/// Bytes of pictures on their way to the decoder, for a whole micro-batch.
struct EncoderMemory {
  /// What tower and projector keep for their backward passes.
  let kept: Double
  /// What the tower has at its widest, where nothing of it is kept.
  let widest: Double
  /// Pixels of a sample, float32.
  let pixels: Double

  init(_ setting: MemorySetting) throws {
    let (c, e, trained) = (setting.model, setting.element, setting.trained)
    let pictures = setting.batch.pictures
    let shape = c.shape(height: c.usualPicture.height, width: c.usualPicture.width, isAlone: pictures == 1)
    let tokens = try c.tokens(of: nil, picture: shape)
    let samples = Double(setting.batch.samples * pictures)
    let (v, i) = (Double(c.vision.hiddenSize), Double(c.vision.intermediateSize))
    let h = Double(c.text.hiddenSize)
    // Of each layer: its input and the norm's result, q, k, v, what they mix, the same behind attention, and four in the MLP.
    let rows = samples * Double(tokens.patches + (c.vision.hasClassToken ? 1 : 0))
    let tower = trained.contains(.tower) ? rows * e * (8 * v + 3 * i) * Double(c.vision.computedLayers) : 0
    let isRecorded = trained.contains(.projector) || trained.contains(.tower)
    // A merger joins the patches of a cell before it maps them.
    let side = c.windowed?.mergeSize ?? 1
    let width = v * Double(side * side)
    let (first, inner) = (trained.contains(.projector) ? e * width : 0, c.windowed == nil ? h : width)
    let steps = Double(c.windowed == nil ? c.projector.layers - 1 : 1)
    let projector = isRecorded ? first + steps * e * inner * (trained.contains(.projector) ? 2 : 1) : 0
    kept = tower + samples * Double(tokens.projector) * projector
    widest = rows * e * (2 * v + 3 * i)
    pixels = 4 * Double(pictures) * c.pixelShape(of: shape).reduce(1) { $0 * Double($1) }
  }
}
