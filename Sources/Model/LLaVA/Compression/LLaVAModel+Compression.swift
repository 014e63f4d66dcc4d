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
      let norm: (Tensor) throws -> Tensor = { try decoder.norm($0) }
      let all = BatchRows(hidden: batch.hidden, keys: trace.rowKeys, norm: norm)
      let (hidden, queries) = (try batch.hidden.split(batch.lengths), try trace.queries.split(batch.lengths))
      var choices: [TokenChoice] = []
      for (sample, start) in batch.starts.enumerated() {
        let state = DecoderRows(
          hidden: hidden[sample], queries: queries[sample], keys: trace.keys[sample], norm: norm, batch: all, start: start)
        for (image, span) in batch.visual[sample].enumerated() {
          let tokens = VisualTokens(
            sample: state, span: span, visual: batch.visual[sample], promptEnd: batch.promptEnds[sample][image],
            patches: batch.patches[sample][image], grid: configuration.vision.grid)
          choices.append(TokenChoice(counts[sample][image], of: tokens, generator: generators[sample]))
        }
      }
      var found = try choose(choices, compressor)[...]
      return batch.visual.map { images in
        defer { found = found.dropFirst(images.count) }
        return Array(found.prefix(images.count))
      }
    }
    return try batch.keepingVisualTokens(kept)
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
