import Imaging

/// What a training step needs of one sample.
public struct TrainingSample: Sendable {
  /// Token ids, images as `imagePlaceholderID`.
  public var ids: [Int]
  /// As many labels, not shifted; `ignoredLabel` where nothing is supervised.
  public var labels: [Int]
  /// In the order of their placeholders.
  public var pictures: [PicturePixels]
  /// What compressors that draw start from; a sample's draws depend on nothing else.
  public var seed: UInt64

  /// A sample of its parts.
  public init(ids: [Int], labels: [Int], pictures: [PicturePixels] = [], seed: UInt64 = 0) {
    self.ids = ids
    self.labels = labels
    self.pictures = pictures
    self.seed = seed
  }
}
