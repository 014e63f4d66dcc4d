import Compression
import Foundation
import Imaging
import Language
import TestModels
import TestSupport

@testable import Training

/// A data set that a test writes to disk.
struct DataFolder {
  let scratch: Scratch
  var url: URL { scratch.url }
  var file: URL { url.appending(path: "data.json") }

  init() throws { scratch = try Scratch() }

  /// Writes a picture; a PNG whatever its name.
  func picture(_ name: String, width: Int = 9, height: Int = 6, seed: UInt64 = 0) throws {
    var random = SplitMix(seed: seed)
    let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
    try write(RGBImage(width: width, height: height, pixels: pixels).pngData(), name)
  }

  func write(_ data: Data, _ name: String) throws {
    let place = url.appending(path: name)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: place)
  }

  /// Writes the records as a list, or one to a line, and opens them.
  func dataset(_ records: [[String: Any]], lines: Bool = false) throws -> InstructionDataset {
    let objects = try records.map { try JSONSerialization.data(withJSONObject: $0, options: .sortedKeys) }
    let text = objects.map { String(decoding: $0, as: UTF8.self) }.joined(separator: lines ? "\n" : ",\n ")
    return try dataset(text: lines ? text + "\n" : "[\(text)]")
  }

  func dataset(text: String) throws -> InstructionDataset {
    try Data(text.utf8).write(to: file)
    return try InstructionDataset(contentsOf: file)
  }

  /// A preparer with the byte tokenizer, pictures of 14 pixels and 4 visual tokens for each.
  func preparer(
    _ dataset: InstructionDataset, _ options: TextOptions = .small, tokenizer: (any Tokenizer)? = nil,
    limits: ImageLimits = .standard, media: MediaReading = MediaReading(),
    layout: (@Sendable (PictureShape) -> TokenLayout)? = nil, augmentation: PictureAugmentation? = nil
  ) throws -> SamplePreparer {
    try SamplePreparer(
      dataset, tokenizer: try tokenizer ?? self.tokenizer(), preprocessor: ImagePreprocessor(imageSize: 14), options: options,
      limits: limits, media: media, layout: layout, augmentation: augmentation)
  }

  func tokenizer() throws -> any Tokenizer {
    try ByteTokenizer.write(to: url)
    return try TokenizerLoader.load(from: url)
  }
}

extension TextOptions {
  /// Few tokens, so that tests are quick.
  static let small = TextOptions(template: .terse, visualTokens: 4, maximumLength: 120)
}

extension ConversationTemplate {
  /// Hardly anything around the turns.
  static let terse = ConversationTemplate(
    name: "terse", userHeader: "U", assistantHeader: "A", lead: " ", userEnd: " ", answerEnd: "</s>", stopStrings: ["</s>"])
}

/// A record of the instruction format.
func dataRecord(_ id: String, image: Any? = nil, _ turns: String...) -> [String: Any] {
  var record: [String: Any] = ["id": id]
  record["image"] = image
  record["conversations"] = turns.enumerated().map { ["from": $0 % 2 == 0 ? "human" : "gpt", "value": $1] }
  return record
}

/// All that must be equal in two batches.
struct BatchImage: Equatable, CustomStringConvertible {
  let indices: [Int]
  let ids: [[Int]]
  let labels: [[Int]]
  let pixels: [[Float]]
  let start, next: SampleCursor
  let epoch: Int

  init(_ batch: SampleBatch) throws {
    indices = batch.samples.map(\.index)
    ids = batch.samples.map(\.ids)
    labels = batch.samples.map(\.labels)
    pixels = try batch.samples.map { try $0.pictures.flatMap { try $0.views.array(Float.self) } }
    (start, next, epoch) = (batch.start, batch.next, batch.epoch)
  }

  var description: String { "\(indices) \(start)..<\(next)" }
}
