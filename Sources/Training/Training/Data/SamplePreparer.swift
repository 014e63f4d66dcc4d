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

  /// Puts the parts together.
  ///
  /// - Throws: `DatasetError.setting`, `LanguageError.noReferenceLabels`, `ImagingError.configuration`.
  public init(
    _ dataset: InstructionDataset, tokenizer: any Tokenizer, preprocessor: ImagePreprocessor,
    options: TextOptions = TextOptions(),
    limits: ImageLimits = .standard
  ) throws {
    self.dataset = dataset
    self.preprocessor = preprocessor
    text = try TextEncoder(tokenizer: tokenizer, options)
    images = ImageReader(dataset: dataset, limits: limits)
  }

  /// Makes one sample.
  ///
  /// - Parameter index: 0..<`dataset.count`.
  /// - Throws: ``SampleFault`` where the sample cannot be trained on; anything else is no fault of the sample.
  public func sample(at index: Int) throws -> Sample {
    let record = try dataset.record(at: index)
    do {
      let encoded = try text.fitted(text.encode(record))
      return Sample(
        index: index, id: record.id, ids: encoded.ids, labels: encoded.labels,
        pixels: try pixels(Array(record.images.prefix(encoded.images))), visualTokens: encoded.images * options.visualTokens)
    } catch let problem as RecordProblem {
      throw problem.fault(index: index, id: record.id)
    }
  }

  /// Pictures as [images, 3, size, size] float32, nil for none.
  ///
  /// Copied together here and not by `stack`, whose threads would get into the way of the step's.
  private func pixels(_ paths: [String]) throws -> Tensor? {
    if paths.isEmpty { return nil }
    var values: [Float] = []
    for path in paths {
      let picture = try preprocessor.normalizedPixels(images.image(path))
      if paths.count == 1 { values = picture } else { values += picture }
    }
    return try Tensor(values, [paths.count, 3, preprocessor.imageSize, preprocessor.imageSize])
  }
}
