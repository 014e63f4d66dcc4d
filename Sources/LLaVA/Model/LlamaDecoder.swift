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
  private let layers: [LlamaLayer]
  private let rotary: RotaryEmbedding

  /// Pulls all weights of the decoder.
  public init(_ p: ParameterScope, _ c: TextConfiguration) throws {
    configuration = c
    embedding = try (p / "embed_tokens")("weight", [c.vocabularySize, c.hiddenSize])
    layers = try (0..<c.layers).map { try LlamaLayer(p / "layers" / "\($0)", c) }
    norm = try RMSNorm(p / "norm", c.hiddenSize, epsilon: c.rmsNormEpsilon)
    head = c.tiesEmbeddings ? embedding : try (p / "lm_head")("weight", [c.vocabularySize, c.hiddenSize])
    rotary = try RotaryEmbedding(c, on: embedding.device)
  }

  /// Runs layers over a batch; with caches, one for each sample, the rows continue what the caches hold and are added to them.
  ///
  /// - Parameter lastRowsOnly: leaves each sample's last row alone in the result. The last layer of the range then computes queries
  ///   and MLP for those rows only, which is all that a prefill needs of the decoder's last layer.
  /// - Returns: the batch with new `hidden`; all else is as it was.
  /// - Throws: `TorchError`; no layer is computed where `range` is empty.
  public func run(
    layers range: Range<Int>, _ batch: PackedBatch, caches: [KeyValueCache]? = nil, lastRowsOnly: Bool = false
  ) throws -> PackedBatch {
    try runTracing(layers: range, batch, caches: caches, lastRowsOnly: lastRowsOnly).batch
  }

  /// The same, and what the last layer of the range attended with; nil where the range is empty.
  public func runTracing(
    layers range: Range<Int>, _ batch: PackedBatch, caches: [KeyValueCache]? = nil, lastRowsOnly: Bool = false
  ) throws -> (batch: PackedBatch, trace: AttentionTrace?) {
    guard !range.isEmpty else { return (lastRowsOnly ? try batch.keepingLastRows() : batch, nil) }
    let length = zip(batch.originalLengths, caches?.map(\.nextPosition) ?? batch.lengths.map { _ in 0 }).map(+).max() ?? 0
    let angles = try rotary.angles(batch.positions, length: length, batch.hidden.dtype)
    var batch = batch
    var trace: AttentionTrace?
    for index in range {
      let isLast = index == range.upperBound - 1
      let asked = lastRowsOnly && isLast ? try Tensor(batch.lastRowIndices, on: batch.hidden.device) : nil
      let (hidden, attention) = try layers[index](batch.hidden, batch.lengths, rotary, angles, index, caches, last: asked)
      if asked != nil { batch = try batch.keepingLastRows() }
      batch.hidden = hidden
      if isLast { trace = attention }
    }
    return (batch, trace)
  }

  /// Scores of every vocabulary entry for rows that have passed all layers: [rows, hiddenSize] to [rows, vocabularySize].
  public func logits(_ rows: Tensor) throws -> Tensor { try linear(norm(rows), head, nil) }
}
