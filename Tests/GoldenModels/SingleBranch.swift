import Compression
import LLaVA
import Torch

/// What one stage left of a batch.
public struct KeptTokens: Sendable {
  /// Decoder layers before the stage.
  public let layer: Int
  /// For each image of each sample its tokens that are left; nil while all are.
  public let patches: [[Tensor?]]
}

extension LLaVAModel {
  /// All rows of a batch behind the decoder, each sample one branch, and what each stage left.
  ///
  /// Positions and labels of the rows that are left are worked out here, on the host, from what was kept.
  public func decode(
    _ batch: PackedBatch, _ stages: [CompressionPlan.ResolvedStage], generators: [Generator]
  ) throws -> (batch: PackedBatch, kept: [KeptTokens]) {
    var none: [KeyValueCache]?
    let branches = batch.lengths.indices.map { Branch(sample: $0, stages, generator: generators[$0]) }
    let run = try BranchingDecoder.run(decoder, batch, caches: &none, branches) { _, _, length in length == 0 ? [] : [0..<length]
    }
    let rows = try run.rows().compactMap(\.self)
    var kept: [Int] = []
    for sample in batch.lengths.indices {
      var dropped: Set<Int> = []
      for (before, after) in zip(batch.images[sample], run.ends[sample].images) {
        guard let indices = try after.kept?.array(Int.self) else { continue }
        dropped.formUnion(Set(before.span).subtracting(indices.map { before.span.lowerBound + $0 }))
      }
      kept += (0..<batch.lengths[sample]).filter { !dropped.contains($0) }.map { batch.starts[sample] + $0 }
    }
    let places = try Tensor(kept)
    let positions = Positions(rotary: try batch.positions.rotary.rows(places, 1), next: batch.positions.next)
    let result = PackedBatch(
      hidden: try concatenate(rows), positions: positions, lengths: rows.map { $0.size(0) }, images: run.ends.map(\.images),
      labels: try batch.labels?.rows(places))
    let cuts = run.ends[0].cuts.indices.map { cut in
      KeptTokens(layer: run.ends[0].cuts[cut].layer, patches: run.ends.map { $0.cuts[cut].kept })
    }
    return (result, cuts)
  }
}
