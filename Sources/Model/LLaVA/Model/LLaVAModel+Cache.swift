import Torch

/// How exactly keys and values are remembered.
public enum CachePrecision: String, Sendable {
  /// As the model computes them.
  case asModel
  /// In 8 bits: half of the memory of bfloat16, for long videos and many sequences.
  case eightBits
}

extension LLaVAModel {
  /// An empty cache of the kind that the model's sequences have.
  ///
  /// - Throws: `TorchError`.
  public func newCache() throws -> KeyValueCache {
    let text = configuration.text
    switch cachePrecision {
    case .asModel: return try KeyValueCache(text, dtype, on: device)
    case .eightBits:
      return try KeyValueCache(text, dtype, on: device) { _ in
        try EightBitStore(text, capacity: 0, dtype, on: device)
      }
    }
  }
}
