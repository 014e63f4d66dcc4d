import Torch

/// What a training step needs of one sample.
public struct TrainingSample: Sendable {
  /// Token ids, images as `imagePlaceholderID`.
  public var ids: [Int]
  /// As many labels, not shifted; `ignoredLabel` where nothing is supervised.
  public var labels: [Int]
  /// Pixels of the images in the order of their placeholders, [channels, size, size] float32 each.
  public var images: [Tensor]
  /// What strategies that draw start from; a sample's draws depend on nothing else.
  public var seed: UInt64

  /// A sample of its parts.
  public init(ids: [Int], labels: [Int], images: [Tensor] = [], seed: UInt64 = 0) {
    self.ids = ids
    self.labels = labels
    self.images = images
    self.seed = seed
  }
}
