import Imaging
import Language

/// Reads a whole data set as training would, without training.
public struct DatasetCheck: Sendable {
  private let dataset: InstructionDataset
  private let options: TextOptions
  private let text: TextEncoder?
  private let images: ImageReader
  /// The tokens of a picture by height, width and whether it is the only one of its sample, where pictures vary.
  private let tokens: (@Sendable (Int, Int, Bool) -> Int)?
  private let media: MediaReading
  /// The tokens of a video, or of sound.
  private let preparedTokens: (@Sendable (PictureShape) -> Int)?

  /// - Parameters:
  ///   - tokenizer: without one, tokens are neither counted nor checked, and lengths are in words.
  ///   - tokens: the visual tokens of a picture by height, width and whether it is the only one of its sample; nil where all have as many.
  ///   - media: which media the model takes.
  ///   - preparedTokens: the tokens of a video or of sound that was prepared.
  /// - Throws: `DatasetError.setting`, `LanguageError.noReferenceLabels`.
  public init(
    _ dataset: InstructionDataset, tokenizer: (any Tokenizer)? = nil, options: TextOptions = TextOptions(),
    limits: ImageLimits = .standard, tokens: (@Sendable (Int, Int, Bool) -> Int)? = nil, media: MediaReading = MediaReading(),
    preparedTokens: (@Sendable (PictureShape) -> Int)? = nil
  ) throws {
    self.media = media
    self.preparedTokens = preparedTokens
    self.dataset = dataset
    self.tokens = tokens
    self.options = options
    text = try tokenizer.map { try TextEncoder(tokenizer: $0, options) }
    images = ImageReader(dataset: dataset, limits: limits)
  }

  /// Reads every record, decodes every image, and encodes every text where there is a tokenizer.
  ///
  /// - Parameters:
  ///   - workers: threads that read.
  ///   - progress: is called after every sample with the samples so far and the bad ones among them.
  /// - Throws: `DatasetError`.
  public func run(workers: Int, progress: (Int, Int) -> Void = { _, _ in }) throws -> DatasetReport {
    let reader = ReadAhead((0..<dataset.count).makeIterator(), workers: workers, ahead: 64) { try inspect($0) }
    var tally = Tally(unit: text == nil ? .words : .tokens)
    while let finding = try reader.next() {
      tally.add(finding)
      progress(tally.report.samples, tally.report.bad.count)
    }
    return tally.finished()
  }

  /// What one record is.
  fileprivate struct Finding: Sendable {
    var fault: SampleFault?
    var turns = 0
    /// Nil where the record cannot be read.
    var images: [String]?
    var missing: Set<String> = []
    /// In tokens or words; nil where it cannot be told.
    var length: Int?
    var supervised = 0
  }

  /// Reads all media of a record, and tells of each medium its kind, a picture's height and width, and the shape of what is none.
  private func look(_ record: InstructionRecord, at index: Int, _ count: (Medium, Int, Int, PictureShape?) -> Int) throws -> [Int]
  {
    try zip(record.images, record.media).map { path, medium in
      switch medium {
      case .video: return count(.video, 0, 0, try media.video(path, of: index, in: dataset)?.shape)
      case .audio: return count(.audio, 0, 0, try media.audio(path, of: index, in: dataset)?.shape)
      case .image: try media.requirePictures(path)
      }
      let image = try images.image(path, of: index)
      return count(.image, image.height, image.width, nil)
    }
  }

  private func inspect(_ index: Int) throws -> Finding {
    var finding = Finding()
    let record: InstructionRecord
    do {
      record = try dataset.record(at: index)
    } catch let fault as SampleFault {
      finding.fault = fault
      return finding
    }
    finding.turns = record.turns.count
    finding.images = record.images
    do {
      if let text {
        var encoded = try text.encode(record)
        if let tokens {
          encoded = encoded.counting(
            try look(record, at: index) { medium, height, width, shape in
              if medium == .image { return tokens(height, width, record.pictures.count == 1) }
              return shape.flatMap { shape in preparedTokens?(shape) } ?? options.visualTokens
            })
        }
        finding.length = encoded.rows
        finding.supervised = EncodedText.supervised(try text.fitted(encoded).labels)
      } else {
        finding.length = record.words
        _ = try record.trainingTurns(options.template)
      }
      _ = try look(record, at: index) { _, _, _, _ in 0 }
    } catch let problem as RecordProblem {
      finding.fault = problem.fault(index: index, id: record.id)
      // The other images count as well for what is missing, although one fault is enough for the sample.
      finding.missing = Set(try record.images.filter { try !dataset.place(of: $0, at: index).isThere })
    }
    return finding
  }
}

/// Adds up findings.
private struct Tally {
  var report: DatasetReport
  private let unit: LengthSummary.Unit
  private var lengths: [Int] = []
  private var folders: [String: ImageFolder] = [:]

  init(unit: LengthSummary.Unit) {
    self.unit = unit
    report = DatasetReport(lengths: LengthSummary([], unit: unit))
    if unit == .tokens { (report.tokens, report.supervisedTokens) = (0, 0) }
  }

  mutating func add(_ finding: DatasetCheck.Finding) {
    report.samples += 1
    if let fault = finding.fault {
      report.bad.append(fault)
    } else {
      report.tokens? += finding.length ?? 0
      report.supervisedTokens? += finding.supervised
    }
    report.turns += finding.turns
    if let length = finding.length { lengths.append(length) }
    guard let images = finding.images else { return }
    report.images += images.count
    if images.isEmpty { report.textOnly += 1 } else { report.withImage += 1 }
    for path in images where !InlineMedium.isInline(path) {
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
      folders[folder, default: ImageFolder(folder: folder)].images += 1
      if finding.missing.contains(path) { folders[folder]?.missing += 1 }
    }
  }

  func finished() -> DatasetReport {
    var report = report
    report.lengths = LengthSummary(lengths, unit: unit)
    report.incompleteFolders = folders.values.filter { $0.missing > 0 }.sorted {
      ($1.missing, $0.folder) < ($0.missing, $1.folder)
    }
    return report
  }
}
