import Imaging
import Language

/// A sample as the model takes it.
public struct Sample: Sendable {
  /// Place of the record in the data set, from 0.
  public let index: Int
  /// The record's own name, where it has one.
  public let id: String?
  /// Token ids, `imagePlaceholderID` for each image.
  public let ids: [Int]
  /// For each id itself where it is supervised, else -100; not shifted.
  public let labels: [Int]
  /// On the CPU, in the order of the placeholders.
  public let pictures: [PicturePixels]
  /// Rows that the images become.
  public let visualTokens: Int

  /// A sample.
  public init(index: Int, id: String?, ids: [Int], labels: [Int], pictures: [PicturePixels], visualTokens: Int) {
    self.index = index
    self.id = id
    self.ids = ids
    self.labels = labels
    self.pictures = pictures
    self.visualTokens = visualTokens
  }

  /// Number of images.
  public var images: Int { ids.count { $0 == imagePlaceholderID } }
  /// Tokens of text.
  public var textLength: Int { ids.count - images }
  /// Rows of the decoder's input, visual tokens included.
  public var rows: Int { textLength + visualTokens }
  /// Tokens that the model learns to predict.
  public var supervisedTokens: Int { EncodedText.supervised(labels) }
}

/// Samples that are trained on together.
public struct SampleBatch: Sendable {
  /// In the order of the run; none in a slot of broken samples, where slots are numbered.
  public let samples: [Sample]
  /// Where the order of samples stood before this batch.
  public let start: SampleCursor
  /// Where the next batch begins: a run that is resumed here sees what an undisturbed one sees.
  public let next: SampleCursor

  /// Times that the data set was gone through before these samples; `start` may lie in the epoch before, where what follows it was skipped.
  public var epoch: Int { next.position == 0 ? next.epoch - 1 : next.epoch }
  /// Rows of all samples, visual tokens included.
  public var rows: Int { samples.reduce(0) { $0 + $1.rows } }
  /// Rows of all images.
  public var visualTokens: Int { samples.reduce(0) { $0 + $1.visualTokens } }
  /// Tokens that the model learns to predict.
  public var supervisedTokens: Int { samples.reduce(0) { $0 + $1.supervisedTokens } }
}
