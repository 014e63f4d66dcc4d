import Torch

/// What a layer attended with, for those who choose tokens by it.
public struct AttentionTrace: Sendable {
  /// Queries after rotary embedding, [T, heads, headDimension].
  let queries: Tensor
  /// Each sample's keys after rotary embedding, those of its cache first, [keyValueHeads, columns, headDimension].
  let keys: [Tensor]
}

/// One layer of a LLaMA-style decoder.
struct LlamaLayer: Sendable {
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
  ) throws -> (Tensor, AttentionTrace) {
    let c = configuration
    let normed = try inputNorm(x)
    let keys = try rotary(key(normed).reshaped([-1, c.keyValueHeads, c.headDimension]), angles)
    let values = try value(normed).reshaped([-1, c.keyValueHeads, c.headDimension])
    let asking = try last.map { try normed.rows($0) } ?? normed
    let queries = try rotary(
      query(asking).reshaped([-1, c.heads, c.headDimension]), last.map { try angles.rows($0) } ?? angles)
    let seen = try context(keys, values, lengths, index, caches)
    let rows = last == nil ? lengths : lengths.map { _ in 1 }
    let mixed = try concatenate(zip(queries.split(rows), seen).map { try attend($0, $1.keys, $1.values) })
    let y = try (last.map { try x.rows($0) } ?? x) + output(mixed)
    let inner = try attentionNorm(y)
    return (
      try y + down(gate(inner).silu() * up(inner)), AttentionTrace(queries: queries, keys: seen.map(\.keys))
    )
  }

  /// What each sample's rows attend to: its part of keys and values [T, keyValueHeads, headDimension], after what its cache holds;
  /// [keyValueHeads, columns, headDimension] each.
  private func context(
    _ keys: Tensor, _ values: Tensor, _ lengths: [Int], _ index: Int, _ caches: [KeyValueCache]?
  ) throws -> [(keys: Tensor, values: Tensor)] {
    try zip(keys.split(lengths), values.split(lengths)).enumerated().map { sample, piece in
      if let cache = caches?[sample] { return try cache.append(piece.0, piece.1, layer: index) }
      return (try piece.0.transposed(0, 1), try piece.1.transposed(0, 1))
    }
  }
}
