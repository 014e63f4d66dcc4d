import Compression
import Torch

/// What is left of the images at one cut.
public struct KeptVisualTokens: Sendable {
  /// Decoder layers before the cut.
  public let layer: Int
  /// For each image of each sample the int64 indices of its tokens that are left; nil while all are.
  public let patches: [[Tensor?]]
}

extension LLaVAModel {
  /// Runs all decoder layers and drops visual tokens on the way.
  ///
  /// - Parameters:
  ///   - cuts: what `CompressionPlan.resolve` gave for this batch.
  ///   - compressor: chooses what stays; nil where there is no cut.
  ///   - generators: one for each sample.
  ///   - caches: as for `LlamaDecoder.run`; layers after a cut receive only the rows that are left.
  ///   - lastRowsOnly: leaves each sample's last row alone in the result.
  /// - Returns: the batch after the last layer, and what was left at each cut.
  /// - Throws: `CompressionError.badSelection` where the compressor breaks its promise; `TorchError`.
  public func decode(
    _ batch: PackedBatch, cuts: [CompressionPlan.ResolvedCut], _ compressor: (any TokenCompressor)?, generators: [Generator],
    caches: [KeyValueCache]? = nil, lastRowsOnly: Bool = false
  ) throws -> (batch: PackedBatch, kept: [KeptVisualTokens]) {
    var batch = batch
    var kept: [KeptVisualTokens] = []
    var layer = 0
    if let compressor {
      noteDropped(cuts, batch, caches)
      for cut in cuts {
        let (rows, trace) = try decoder.runTracing(layers: layer..<cut.layer, batch, caches: caches)
        layer = cut.layer
        batch = rows
        guard let trace else { continue }
        batch = try compress(batch, trace, counts: cut.counts, compressor, generators: generators)
        kept.append(KeptVisualTokens(layer: layer, patches: batch.patches))
      }
    }
    let layers = layer..<configuration.text.layers
    return (try decoder.run(layers: layers, batch, caches: caches, only: lastRowsOnly ? batch.lastRows : nil), kept)
  }

  /// Drops visual tokens from a batch between two layers.
  ///
  /// The choice is made without recording gradients; the rows that stay keep theirs.
  ///
  /// - Parameters:
  ///   - batch: the output of the layer before the cut.
  ///   - trace: what that layer attended with.
  ///   - counts: tokens that stay of each image of each sample.
  ///   - generators: one for each sample.
  /// - Throws: `CompressionError.badSelection` where the compressor breaks its promise; `TorchError`.
  public func compress(
    _ batch: PackedBatch, _ trace: AttentionTrace, counts: [[Int]], _ compressor: any TokenCompressor, generators: [Generator]
  ) throws -> PackedBatch {
    let kept = try withoutGradient {
      try zip(batch.hidden.split(batch.lengths), trace.queries.split(batch.lengths)).enumerated().map { sample, rows in
        let (hidden, queries) = rows
        let state = DecoderRows(
          hidden: hidden, queries: queries, keys: trace.keys[sample], norm: { try decoder.norm($0) })
        return try batch.visual[sample].indices.map { image -> Tensor? in
          let tokens = VisualTokens(
            sample: state, span: batch.visual[sample][image], visual: batch.visual[sample],
            promptEnd: batch.promptEnds[sample][image], patches: batch.patches[sample][image], grid: configuration.vision.grid)
          return try choose(counts[sample][image], of: tokens, compressor, generators[sample])
        }
      }
    }
    return try batch.keepingVisualTokens(kept)
  }

  /// What a compressor keeps of an image, ascending; nil where all of it stays.
  ///
  /// - Throws: `CompressionError.badSelection` where the compressor breaks its promise, `.notFinite`; `TorchError`.
  package func choose(
    _ count: Int, of tokens: VisualTokens, _ compressor: any TokenCompressor, _ generator: Generator
  ) throws -> Tensor? {
    if count >= tokens.count { return nil }
    if count == 0 { return try Tensor([Int](), on: tokens.device) }
    if tokens.patches == nil, tokens.count != tokens.grid.count {
      throw TorchError.shapeMismatch(what: "an image's tokens", found: [tokens.count], expected: [tokens.grid.count])
    }
    func refuse(_ reason: String) -> CompressionError { .badSelection(strategy: "\(type(of: compressor))", reason: reason) }
    let found = try compressor.keep(count, of: tokens, generator: generator)
    guard found.dtype == .int64, found.shape == [count] else {
      throw refuse("gave \(found.dtype) of shape \(found.shape) where \(count) int64 indices were asked for")
    }
    let chosen = try found.to(tokens.device).sorted().values
    // Where the answer is at hand; on a GPU the question would make everything wait.
    if tokens.device == .cpu {
      let indices = try chosen.array(Int.self)
      guard (indices.first ?? 0) >= 0, (indices.last ?? 0) < tokens.count, zip(indices, indices.dropFirst()).allSatisfy(<) else {
        // Order by NaN is no order.
        guard try tokens.sample.hidden.to(.float32).sum().item().isFinite else { throw CompressionError.notFinite }
        throw refuse("gave indices that repeat or lie outside 0..<\(tokens.count)")
      }
    }
    return chosen
  }

  /// Tells caches up to which position tokens are missing from some layers: the end of a sample's last image.
  private func noteDropped(_ cuts: [CompressionPlan.ResolvedCut], _ batch: PackedBatch, _ caches: [KeyValueCache]?) {
    for (sample, cache) in (caches ?? []).enumerated() {
      guard let end = batch.visual[sample].last?.upperBound else { continue }
      if cuts.contains(where: { $0.counts[sample] != batch.visual[sample].map(\.count) }) {
        cache.noteDropped(before: cache.nextPosition + end)
      }
    }
  }
}
