import Compression
import Torch

/// A LLaMA-style decoder that runs any range of its layers over a packed batch.
///
/// Running in ranges is what compression and distillation stand on: `run(layers: 0..<k)`, drop rows, `run(layers: k..<L)`.
public struct LlamaDecoder: Sendable {
  /// The decoder's shape.
  public let configuration: TextConfiguration
  /// The table of token embeddings, [vocabularySize, hiddenSize].
  public let embedding: Matrix
  /// The normalisation before the output layer.
  public let norm: RMSNorm
  /// The output layer, [vocabularySize, hiddenSize]; the embedding table where both are one.
  public let head: Matrix
  private let layers: [LlamaLayer]
  private let rotary: RotaryEmbedding
  /// Brings a layer's weights together before it runs; nil where all are there.
  var gathered: (any GatheredWeights)?

  /// Pulls all weights of the decoder.
  public init(_ p: ParameterScope, _ c: TextConfiguration) throws {
    configuration = c
    embedding = try (p / "embed_tokens").matrix("weight", [c.vocabularySize, c.hiddenSize])
    layers = try (0..<c.layers).map { try LlamaLayer(p / "layers" / "\($0)", c) }
    norm = try RMSNorm(p / "norm", c.hiddenSize, epsilon: c.rmsNormEpsilon)
    head = c.tiesEmbeddings ? embedding : try (p / "lm_head").matrix("weight", [c.vocabularySize, c.hiddenSize])
    rotary = try RotaryEmbedding(c, on: embedding.device)
  }

  /// Runs layers over a batch.
  ///
  /// - Parameters:
  ///   - asked: for each sample the rows that are wanted of the range's last layer, ascending and none of them empty; that layer then
  ///     computes queries and MLP for them only. A prefill needs each sample's last row of the decoder's last layer, a loss the rows
  ///     that it looks at.
  ///   - recomputing: keeps only each layer's input for the gradient and computes the rest again in the backward pass.
  /// - Returns: the batch with new `hidden`, of the rows asked for alone where there are such; all else is as it was.
  /// - Throws: `TorchError`; no layer is computed where `range` is empty.
  public func run(
    layers range: Range<Int>, _ batch: PackedBatch, only asked: [[Range<Int>]]? = nil, recomputing: Bool = false
  ) throws -> PackedBatch {
    var none: [KeyValueCache]?
    return try run(layers: range, batch, &none, only: asked, recomputing: recomputing, tracing: false).batch
  }

  /// The same with caches, one for each sample: the rows continue what the caches hold and are added to them.
  ///
  /// - Throws: `GenerationError.cacheCount` where caches and samples differ in number; `TorchError`.
  public func run(
    layers range: Range<Int>, _ batch: PackedBatch, caches: inout [KeyValueCache], only asked: [[Range<Int>]]? = nil
  ) throws -> PackedBatch {
    var used: [KeyValueCache]? = caches
    // One owner, so that nothing is copied.
    caches = []
    defer { caches = used ?? [] }
    return try run(layers: range, batch, &used, only: asked, recomputing: false, tracing: false).batch
  }

  /// The same, with what the last layer of the range attended with, where it is asked for and the range is not empty.
  func run(
    layers range: Range<Int>, _ batch: PackedBatch, _ caches: inout [KeyValueCache]?, only asked: [[Range<Int>]]?,
    recomputing: Bool, tracing: Bool
  ) throws -> (batch: PackedBatch, trace: AttentionTrace?) {
    try check(range, batch, caches)
    let asked = try asked.map { try AskedRows($0, of: batch) }
    guard !range.isEmpty else { return (try asked.map(batch.keeping) ?? batch, nil) }
    let angles = try rotary.angles(batch.positions.rotary, length: batch.positions.next.max() ?? 0, batch.hidden.dtype)
    let (all, last) = try packedAttention(batch, asked)
    var batch = batch
    var trace: AttentionTrace?
    for index in range {
      let isLast = index == range.upperBound - 1
      let (layer, lengths, rows) = (layers[index], batch.lengths, isLast ? asked : nil)
      let packed = rows == nil ? all : last
      let (hidden, attention): (Tensor, AttentionTrace?)
      // Weights that are let go behind their layer cannot be kept for the backward pass.
      if recomputing || gathered != nil, caches == nil {
        (hidden, attention) = try recomputingActivations(batch.hidden, weights: layer.weights) { [rotary, gathered] x in
          // Once forward, and once more in the backward pass.
          try gathered?.need(.layer(index))
          var none: [KeyValueCache]?
          let (y, trace) = try layer(x, lengths, rotary, angles, index, &none, only: rows, packed, tracing: tracing && isLast)
          return (y, try trace?.detached())
        }
      } else {
        try gathered?.need(.layer(index))
        (hidden, attention) = try layer(
          batch.hidden, lengths, rotary, angles, index, &caches, only: rows, packed, tracing: tracing && isLast)
      }
      if let rows { batch = try batch.keeping(rows) }
      batch.hidden = hidden
      if isLast { trace = attention }
    }
    return (batch, trace)
  }

  /// A layer to be asked ahead of time what it would attend with; nil where there is none.
  ///
  /// - Parameter past: for each sample the keys that its cache holds in that layer, nil for none.
  func next(_ index: Int, _ batch: PackedBatch, past: @escaping () throws -> [Tensor?]) -> NextLayer? {
    guard layers.indices.contains(index) else { return nil }
    func angles() throws -> RotaryEmbedding.Angles {
      try rotary.angles(batch.positions.rotary, length: batch.positions.next.max() ?? 0, batch.hidden.dtype)
    }
    return NextLayer {
      try gathered?.need(.layer(index))
      let keys = try layers[index].keys(layers[index].inputNorm(batch.hidden), rotary, angles())
      return try zip(keys.split(batch.lengths), past()).map { own, past in
        try concatenate([past, try own.transposed(0, 1)].compactMap(\.self), 1)
      }
    } queries: { rows in
      try gathered?.need(.layer(index))
      return try layers[index].queries(layers[index].inputNorm(batch.hidden.rows(rows)), rotary, angles().rows(rows))
    }
  }

  /// Cosines and sines by which rows of a batch are turned, by int64 index: [rows, headDimension] float32 each.
  func turns(_ batch: PackedBatch) -> (Tensor) throws -> (cosine: Tensor, sine: Tensor) {
    { [rotary] rows in
      let found = try rotary.angles(
        batch.positions.rotary.rows(rows, 1), length: batch.positions.next.max() ?? 0, .float32)
      return (try found.cosine.squeezed(1), try found.sine.squeezed(1))
    }
  }

  /// Keys [tokens, keyValueHeads, headDimension] as they are at positions that lie so far on, by axis: turned by the difference alone, as
  /// turns add up.
  func moving(_ keys: Tensor, by distance: [Int]) throws -> Tensor {
    let places = try Tensor(distance, [distance.count, 1], on: keys.device).expanded([distance.count, keys.size(0)])
    return try rotary(keys, rotary.angles(places, length: 0, keys.dtype))
  }

  private func check(_ range: Range<Int>, _ batch: PackedBatch, _ caches: [KeyValueCache]?) throws {
    if let caches, caches.count != batch.lengths.count {
      throw GenerationError.cacheCount(caches: caches.count, samples: batch.lengths.count)
    }
    guard range.lowerBound >= 0, range.upperBound <= layers.count else {
      throw CompressionError.layer(range.lowerBound < 0 ? range.lowerBound : range.upperBound, allowed: 0...layers.count)
    }
    try batch.hidden.requireShape([batch.lengths.reduce(0, +), configuration.hiddenSize], "rows of a batch")
    try batch.positions.rotary.requireShape([nil, batch.hidden.size(0)], "positions of a batch")
  }

  /// How all samples attend at once: with all rows, and with those asked for alone.
  private func packedAttention(_ batch: PackedBatch, _ asked: AskedRows?) throws -> (
    all: PackedAttention?, asked: PackedAttention?
  ) {
    func packed(_ runs: [[Range<Int>]]) throws -> PackedAttention? {
      try PackedAttention(
        lengths: batch.lengths, runs: runs, headDimension: configuration.headDimension, batch.hidden.dtype,
        on: batch.hidden.device)
    }
    return (try packed(batch.lengths.map { [0..<$0] }), try asked.map(\.ranges).flatMap(packed))
  }

  /// Scores of every vocabulary entry for rows that have passed all layers: [rows, hiddenSize] to [rows, vocabularySize].
  public func logits(_ rows: Tensor) throws -> Tensor { try head(norm(rows)) }
}
