import Foundation
import Torch

extension CheckpointWriter {
  /// Writes a model between two checkpoints: weight · first + (1 − weight) · second, computed in float32, one weight in memory at a time.
  ///
  /// Between a fine-tuned model and the one before it lie models that keep more of what was known: WiSE-FT, Wortsman et al. 2022,
  /// arXiv 2109.01903, section 3. Configuration, tokenizer and preprocessing are those of `first`.
  ///
  /// - Parameters:
  ///   - weight: share of `first`, within 0...1.
  ///   - dtype: element type to write; nil for that of each weight of `first`.
  /// - Throws: `CheckpointError.notAlike` where a weight of one is missing in the other or has another shape; as `write`, and what
  ///   reading throws.
  public static func interpolate(
    _ first: CheckpointReader, _ second: CheckpointReader, weight: Double, to folder: URL, layout: CheckpointLayout,
    dtype: DType? = nil, shardBytes: Int = 5_000_000_000
  ) throws {
    let own = try first.weights
    let shapes = Dictionary(uniqueKeysWithValues: try second.weights.map { ($0.name, $0.shape) })
    /// A norm that nothing computes is in some files and not in others.
    func isComputed(_ name: String) -> Bool { !name.hasPrefix(KeyNames.unusedNorm) }
    let foreign = Set(shapes.keys).subtracting(own.map(\.name)).filter(isComputed).min()
    if let name = own.first(where: { isComputed($0.name) && shapes[$0.name] != $0.shape })?.name ?? foreign {
      throw CheckpointError.notAlike(parameter: name, folder: first.folder.path, other: second.folder.path)
    }
    let items = own.map { one in
      let target = dtype ?? one.dtype ?? .float32
      return SafetensorsItem(name: one.name, dtype: target, shape: one.shape) {
        let a = try first.parameter(one.name, shape: one.shape)
        if !isComputed(one.name) { return a }
        let b = try second.parameter(one.name, shape: one.shape)
        return try withoutGradient { try a.to(.float32) * weight + b.to(.float32) * (1 - weight) }
      }
    }
    try write(items, first.configuration, to: folder, layout, shardBytes, first.folder)
  }
}
