import Torch

/// A LLaMA-style decoder that runs any range of its layers over a packed batch.
///
/// Running in ranges is what compression and distillation stand on: `run(layers: 0..<k)`, drop rows, `run(layers: k..<L)`.
public struct LlamaDecoder: Sendable {
  /// The decoder's shape.
  public let configuration: TextConfiguration
  /// The table of token embeddings, [vocabularySize, hiddenSize].
  public let embedding: Tensor
  /// The normalisation before the output layer.
  public let norm: RMSNorm
  private let head: Tensor
  private let layers: [Layer]
  private let rotary: RotaryEmbedding

  /// Pulls all weights of the decoder.
  public init(_ p: ParameterScope, _ c: TextConfiguration) throws {
    configuration = c
    embedding = try (p / "embed_tokens")("weight", [c.vocabularySize, c.hiddenSize])
    layers = try (0..<c.layers).map { try Layer(p / "layers" / "\($0)", c) }
    norm = try RMSNorm(p / "norm", c.hiddenSize, epsilon: c.rmsNormEpsilon)
    head = c.tiesEmbeddings ? embedding : try (p / "lm_head")("weight", [c.vocabularySize, c.hiddenSize])
    rotary = try RotaryEmbedding(c, on: embedding.device)
  }

  /// Runs layers over a batch; with caches, one for each sample, the rows continue what the caches hold and are added to them.
  ///
  /// - Parameter lastRowsOnly: leaves each sample's last row alone in the result. The last layer of the range then computes queries
  ///   and MLP for those rows only, which is all that a prefill needs of the decoder's last layer.
  /// - Returns: the batch with new `hidden`; all else is as it was.
  /// - Throws: `TorchError`; nothing is computed where `range` is empty.
  public func run(
    layers range: Range<Int>, _ batch: PackedBatch, caches: [KeyValueCache]? = nil, lastRowsOnly: Bool = false
  ) throws -> PackedBatch {
    guard !range.isEmpty else { return batch }
    let length = zip(batch.originalLengths, caches?.map(\.nextPosition) ?? batch.lengths.map { _ in 0 }).map(+).max() ?? 0
    let angles = try rotary.angles(batch.positions, length: length, batch.hidden.dtype)
    var batch = batch
    for index in lastRowsOnly ? range.dropLast() : range {
      batch.hidden = try layers[index](batch.hidden, batch.lengths, rotary, angles, index, caches)
    }
    if lastRowsOnly, let index = range.last {
      let last = try Tensor(batch.lastRowIndices, on: batch.hidden.device)
      batch.hidden = try layers[index](batch.hidden, batch.lengths, rotary, angles, index, caches, last: last)
      batch.positions = try batch.positions.rows(last)
      batch.lengths = batch.lengths.map { _ in 1 }
      batch.visual = batch.visual.map { _ in [] }
    }
    return batch
  }

  /// Scores of every vocabulary entry for rows that have passed all layers: [rows, hiddenSize] to [rows, vocabularySize].
  public func logits(_ rows: Tensor) throws -> Tensor { try linear(norm(rows), head, nil) }

  private struct Layer: Sendable {
    let configuration: TextConfiguration
    let inputNorm: RMSNorm
    let query, key, value, output: Linear
    let attentionNorm: RMSNorm
    let gate, up, down: Linear

    init(_ p: ParameterScope, _ c: TextConfiguration) throws {
      configuration = c
      inputNorm = try RMSNorm(p / "input_layernorm", c.hiddenSize, epsilon: c.rmsNormEpsilon)
      let attention = p / "self_attn"
      query = try Linear(attention / "q_proj", c.hiddenSize, c.heads * c.headDimension, bias: c.attentionBias)
      key = try Linear(attention / "k_proj", c.hiddenSize, c.keyValueHeads * c.headDimension, bias: c.attentionBias)
      value = try Linear(attention / "v_proj", c.hiddenSize, c.keyValueHeads * c.headDimension, bias: c.attentionBias)
      output = try Linear(attention / "o_proj", c.heads * c.headDimension, c.hiddenSize, bias: c.attentionOutputBias)
      attentionNorm = try RMSNorm(p / "post_attention_layernorm", c.hiddenSize, epsilon: c.rmsNormEpsilon)
      gate = try Linear(p / "mlp" / "gate_proj", c.hiddenSize, c.intermediateSize, bias: c.mlpBias)
      up = try Linear(p / "mlp" / "up_proj", c.hiddenSize, c.intermediateSize, bias: c.mlpBias)
      down = try Linear(p / "mlp" / "down_proj", c.intermediateSize, c.hiddenSize, bias: c.mlpBias)
    }

    /// x [T, hiddenSize] to the same shape, or to [samples, hiddenSize] where `last` names each sample's last row.
    func callAsFunction(
      _ x: Tensor, _ lengths: [Int], _ rotary: RotaryEmbedding, _ angles: RotaryEmbedding.Angles, _ index: Int,
      _ caches: [KeyValueCache]?, last: Tensor? = nil
    ) throws -> Tensor {
      let c = configuration
      let normed = try inputNorm(x)
      let keys = try rotary(key(normed).reshaped([-1, c.keyValueHeads, c.headDimension]), angles)
      let values = try value(normed).reshaped([-1, c.keyValueHeads, c.headDimension])
      let asking = try last.map { try normed.rows($0) } ?? normed
      let queries = try rotary(
        query(asking).reshaped([-1, c.heads, c.headDimension]), last.map { try angles.rows($0) } ?? angles)
      let mixed = try mix(queries, keys, values, lengths, index, caches)
      let x = try (last.map { try x.rows($0) } ?? x) + output(mixed)
      let inner = try attentionNorm(x)
      return try x + down(gate(inner).silu() * up(inner))
    }

    /// Attention within each sample: queries [T or samples, heads, headDimension], keys and values [T, keyValueHeads,
    /// headDimension]; one row for each query.
    private func mix(
      _ queries: Tensor, _ keys: Tensor, _ values: Tensor, _ lengths: [Int], _ index: Int, _ caches: [KeyValueCache]?
    ) throws -> Tensor {
      let rows = queries.size(0) == keys.size(0) ? lengths : lengths.map { _ in 1 }
      let pieces = try zip(queries.split(rows), zip(keys.split(lengths), values.split(lengths))).enumerated().map {
        sample, piece in
        let (query, (key, value)) = piece
        if let cache = caches?[sample] {
          let all = try cache.append(key, value, layer: index)
          return try attend(query, all.keys, all.values)
        }
        return try attend(query, key.transposed(0, 1), value.transposed(0, 1))
      }
      return try concatenate(pieces)
    }
  }
}
