import Compression
import Torch

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

  /// All weights of the layer.
  var weights: [Tensor] {
    [inputNorm.weight, attentionNorm.weight] + [query, key, value, output, gate, up, down].flatMap(\.weights)
  }

  /// x [T, hiddenSize] to the same shape, or to the rows that are asked for; queries and MLP are computed for those only.
  ///
  /// All samples attend at once where there is a way to, and no cache holds anything yet. The trace is there where it is asked for.
  func callAsFunction(
    _ x: Tensor, _ lengths: [Int], _ rotary: RotaryEmbedding, _ angles: RotaryEmbedding.Angles, _ index: Int,
    _ caches: inout [KeyValueCache]?, only asked: AskedRows? = nil, _ packed: PackedAttention? = nil, tracing: Bool
  ) throws -> (Tensor, AttentionTrace?) {
    let c = configuration
    let normed = try inputNorm(x)
    let keys = try keys(normed, rotary, angles)
    let values = try value(normed).reshaped([-1, c.keyValueHeads, c.headDimension])
    let asking = try asked.map { try normed.rows($0.indices) } ?? normed
    let queries = try queries(asking, rotary, asked.map { try angles.rows($0.indices) } ?? angles)
    let isAlone = caches?.allSatisfy { $0.count(layer: index) == 0 } ?? true
    let packed = isAlone ? packed : nil
    let seen = packed == nil || tracing || caches != nil ? try context(keys, values, lengths, index, &caches) : []
    let mixed =
      if let packed { try packed(queries, keys, values) } else {
        try attention(queries, seen, lengths, asked?.ranges ?? lengths.map { [0..<$0] })
      }
    let y = try (asked.map { try x.rows($0.indices) } ?? x) + output(mixed)
    let inner = try attentionNorm(y)
    return (
      try y + down(gate(inner).gating(up(inner))),
      tracing ? AttentionTrace(queries: queries, rowKeys: keys, keys: seen.map(\.keys)) : nil
    )
  }

  /// Keys of normalised rows after rotary embedding, [rows, keyValueHeads, headDimension].
  func keys(_ normed: Tensor, _ rotary: RotaryEmbedding, _ angles: RotaryEmbedding.Angles) throws -> Tensor {
    try rotary(key(normed).reshaped([-1, configuration.keyValueHeads, configuration.headDimension]), angles)
  }

  /// Queries likewise, [rows, heads, headDimension].
  func queries(_ normed: Tensor, _ rotary: RotaryEmbedding, _ angles: RotaryEmbedding.Angles) throws -> Tensor {
    try rotary(query(normed).reshaped([-1, configuration.heads, configuration.headDimension]), angles)
  }

  /// Attention of runs of rows of each sample, whose queries lie end to end; [rows, heads · headDimension].
  private func attention(
    _ queries: Tensor, _ seen: [(keys: Tensor, values: Tensor)], _ lengths: [Int], _ runs: [[Range<Int>]]
  ) throws -> Tensor {
    if let continuing = try PackedAttention(
      rows: runs, of: lengths, columns: seen.map { $0.keys.size(1) }, headDimension: queries.size(2), queries.dtype,
      on: queries.device)
    {
      return try continuing(
        queries, concatenate(seen.map { try $0.keys.transposed(0, 1) }), concatenate(seen.map { try $0.values.transposed(0, 1) }))
    }
    if zip(runs, lengths).allSatisfy({ $0 == [$1 - 1..<$1] }), let mixed = try attendOneRowEach(queries, seen) { return mixed }
    var pieces = try queries.split(runs.flatMap { $0.map(\.count) })[...]
    var mixed: [Tensor] = []
    for (sample, runs) in runs.enumerated() {
      let (keys, values) = seen[sample]
      for run in runs {
        // A run sees the columns up to its own last one.
        let end = keys.size(1) - lengths[sample] + run.upperBound
        func columns(_ t: Tensor) throws -> Tensor { end == t.size(1) ? t : try t.narrow(1, from: 0, length: end) }
        mixed.append(try attend(pieces.removeFirst(), columns(keys), columns(values)))
      }
    }
    return try concatenate(mixed)
  }

  /// What each sample's rows attend to: its part of keys and values [T, keyValueHeads, headDimension], after what its cache holds;
  /// [keyValueHeads, columns, headDimension] each.
  private func context(
    _ keys: Tensor, _ values: Tensor, _ lengths: [Int], _ index: Int, _ caches: inout [KeyValueCache]?
  ) throws -> [(keys: Tensor, values: Tensor)] {
    var found: [(keys: Tensor, values: Tensor)] = []
    for (sample, piece) in zip(try keys.split(lengths), try values.split(lengths)).enumerated() {
      found.append(
        try caches?[sample].append(piece.0, piece.1, layer: index)
          ?? (piece.0.transposed(0, 1), piece.1.transposed(0, 1)))
    }
    return found
  }
}
