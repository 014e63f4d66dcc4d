import Compression
import Torch

/// The decoder's first pass over a batch of prompts, with visual tokens dropped on the way as a plan says.
struct CompressedPrefill {
  /// For each sample, the rows that each decoder layer sees.
  let rowsOfLayers: [[Int]]

  private let model: LLaVAModel
  private let cuts: [CompressionPlan.ResolvedCut]
  private let compressor: (any TokenCompressor)?
  private let seed: UInt64

  /// Turns a plan into numbers for a batch that has lost nothing yet.
  ///
  /// - Throws: `CompressionError` for a plan that does not fit model and images.
  init(_ model: LLaVAModel, _ batch: PackedBatch, _ options: GenerationOptions) throws {
    self.model = model
    seed = options.seed
    let layers = model.configuration.text.layers
    let images = batch.visual.map { $0.map(\.count) }
    if let plan = options.compression, case .drop(let compressor) = plan.strategy {
      self.compressor = compressor
      cuts = try plan.resolve(imageTokens: images, layers: layers)
    } else {
      compressor = nil
      cuts = []
    }
    rowsOfLayers = batch.lengths.indices.map { [cuts] sample in
      (0..<layers).map { layer in
        let left = cuts.last { $0.layer <= layer }?.counts[sample] ?? images[sample]
        return batch.lengths[sample] - images[sample].reduce(0, +) + left.reduce(0, +)
      }
    }
  }

  /// The last row of each sample after all layers, [samples, hiddenSize], and what each cut left.
  func run(_ batch: PackedBatch, _ caches: [KeyValueCache]) throws -> (rows: Tensor, kept: [KeptVisualTokens]) {
    // Sample i draws from `seed + i`, so that its choice does not depend on what else is in the batch.
    let generators = try batch.lengths.indices.map { try Generator(seed: seed &+ UInt64($0)) }
    let (last, kept) = try model.decode(batch, cuts: cuts, compressor, generators: generators, caches: caches, lastRowsOnly: true)
    return (last.hidden, kept)
  }
}
