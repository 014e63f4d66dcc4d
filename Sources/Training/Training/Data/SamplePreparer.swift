import Compression
import Imaging
import Language
import LLaVA
import Torch

/// Makes samples of a data set's records: reads, tokenises, decodes, resizes.
public struct SamplePreparer: Sendable {
  /// Where the records come from.
  public let dataset: InstructionDataset
  /// How their text is prepared.
  public var options: TextOptions { text.options }

  private let text: TextEncoder
  private let images: ImageReader
  private let preprocessor: ImagePreprocessor
  private let media: MediaReading
  /// The tokens of a picture, where pictures vary.
  private let layout: (@Sendable (PictureShape) -> TokenLayout)?
  private let augmentation: PictureAugmentation?

  /// Puts the parts together.
  ///
  /// - Parameters:
  ///   - media: which media the model takes.
  ///   - layout: the tokens of a picture, for models that see pictures with tokens by their sizes; nil where all have as many.
  ///   - augmentation: changes every picture; nil for none.
  /// - Throws: `DatasetError.setting`, `LanguageError.noReferenceLabels`, `ImagingError.configuration`.
  public init(
    _ dataset: InstructionDataset, tokenizer: any Tokenizer, preprocessor: ImagePreprocessor,
    options: TextOptions = TextOptions(),
    limits: ImageLimits = .standard, media: MediaReading = MediaReading(),
    layout: (@Sendable (PictureShape) -> TokenLayout)? = nil, augmentation: PictureAugmentation? = nil
  ) throws {
    self.dataset = dataset
    self.layout = layout
    self.augmentation = augmentation
    self.media = media
    self.preprocessor = preprocessor
    text = try TextEncoder(tokenizer: tokenizer, options)
    images = ImageReader(dataset: dataset, limits: limits)
  }

  /// Makes one sample.
  ///
  /// - Parameters:
  ///   - index: 0..<`dataset.count`.
  ///   - epoch: times that the data set has been gone through; random changes of pictures follow from it.
  /// - Throws: ``SampleFault`` where the sample cannot be trained on; anything else is no fault of the sample.
  public func sample(at index: Int, epoch: Int = 0) throws -> Sample {
    let record = try dataset.record(at: index)
    do {
      var encoded = try text.encode(record)
      // A picture of many tokens cannot be told from one of few before it is read; where all are alike a bad text costs no picture.
      let read = layout == nil ? nil : try pictures(record, at: index, epoch, record.images.count)
      if let read, let layout { encoded = encoded.counting(read.map { layout($0.shape).count }) }
      encoded = try text.fitted(encoded)
      let shown = try read.map { Array($0.prefix(encoded.images)) } ?? pictures(record, at: index, epoch, encoded.images)
      return Sample(
        index: index, id: record.id, ids: encoded.ids, labels: encoded.labels, pictures: shown,
        visualTokens: encoded.rows - encoded.ids.count + encoded.images)
    } catch let problem as RecordProblem {
      throw problem.fault(index: index, id: record.id)
    }
  }

  /// What the longest samples have at most: tokens of text, those of them that are supervised, and pictures, and whether samples differ; nil where
  /// none can be used.
  ///
  /// - Parameter count: as many are looked at, of those that have most words; no picture is read.
  /// - Throws: `DatasetError` where the data cannot be read.
  func longest(_ count: Int = 64) throws -> MemorySetting.MicroBatch? {
    let lengths = dataset.lengths.map(abs)
    var found: MemorySetting.MicroBatch?
    for index in lengths.indices.sorted(by: { (lengths[$1], $0) < (lengths[$0], $1) }).prefix(count) {
      do {
        let encoded = try text.fitted(text.encode(dataset.record(at: index)))
        let (words, supervised) = (encoded.ids.count - encoded.images, EncodedText.supervised(encoded.labels))
        found = MemorySetting.MicroBatch(
          samples: 1, pictures: max(found?.pictures ?? 0, encoded.images), text: max(found?.text ?? 0, words),
          supervised: max(found?.supervised ?? 0, supervised), varies: lengths.min() != lengths.max())
      } catch is RecordProblem {
      } catch is SampleFault {
        // Samples that cannot be used are counted when their turn comes.
      }
    }
    return found
  }

  private func pictures(_ record: InstructionRecord, at index: Int, _ epoch: Int, _ count: Int) throws -> [PicturePixels] {
    let isAlone = record.pictures.count == 1
    return try zip(record.images, record.media).prefix(count).enumerated().compactMap { number, place -> PicturePixels? in
      let (path, medium) = place
      switch medium {
      case .video: return try media.video(path, of: index, in: dataset)
      case .audio: return try media.audio(path, of: index, in: dataset)
      case .image: try media.requirePictures(path)
      }
      let read = try images.image(path, of: index)
      let image = augmentation.map { $0(read, epoch: epoch, sample: index, number: number) } ?? read
      do {
        return try preprocessor.views(image, isAlone: isAlone)
      } catch let error as ImagingError {
        guard case .tooNarrow = error else { throw error }
        throw RecordProblem(.oversizedImage, error.description, path: InlineMedium.shown(path))
      }
    }
  }
}
