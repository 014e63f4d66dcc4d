import Foundation
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// From records to what the model takes.
@Suite struct DataPreparingTests {
  /// A conversation of the golden data and what LLaVA made of it.
  private struct Golden {
    let record: [String: Any]
    let ids: [Int]?
    let labels: [Int]
    let isMismatched: Bool

    /// The fault that the record has here, from the conversation and LLaVA's result alone.
    func fault(_ semantics: SampleEncoder.Semantics, maximumLength: Int) throws -> SampleFault.Code? {
      if ids == nil { return .roles }
      let conversations = try #require(record["conversations"] as? [[String: String]])
      let tagged = conversations.count { $0["value"]?.contains("<image>") ?? false }
      if tagged != (record["image"] == nil ? 0 : 1) { return .placeholders }
      if semantics == .reference, isMismatched { return .unsupervised }
      return isMismatched || labels.prefix(maximumLength).contains { $0 != ignoredLabel } ? nil : .unsupervised
    }
  }

  private static func golden(_ template: String, legacy: Bool) throws -> (cases: [Golden], maximumLength: Int) {
    let data = try Data(contentsOf: Fixtures.url("conversations.json"))
    let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let cases = try #require(file[template] as? [[String: Any]]).map { entry in
      let mode = try #require(entry[legacy ? "legacy_true" : "legacy_false"] as? [String: Any])
      return Golden(
        record: try #require(entry["sample"] as? [String: Any]), ids: mode["input_ids"] as? [Int],
        labels: mode["labels"] as? [Int] ?? [], isMismatched: mode["mismatch"] as? Bool ?? false)
    }
    return (cases, try #require(file["model_max_length"] as? Int))
  }

  /// Ids and labels of every golden conversation, read from a file, cut as the collator cuts.
  @Test(arguments: [true, false], [SampleEncoder.Semantics.corrected, .reference])
  func idsAndLabelsAreLLaVAs(legacy: Bool, semantics: SampleEncoder.Semantics) throws {
    let folder = try DataFolder()
    try folder.picture("img.jpg")
    var configuration = SentencePieceTokenizer.Configuration()
    configuration.legacy = legacy
    let tokenizer = try SentencePieceTokenizer(
      contentsOf: Fixtures.url("tokenizer/tokenizer.model"), configuration: configuration)
    for template in [ConversationTemplate.vicunaV1, .plain] {
      let (cases, maximumLength) = try Self.golden(template.name, legacy: legacy)
      // An image of one token leaves every length as it is in the golden data.
      let options = TextOptions(
        template: template, semantics: semantics, visualTokens: 1, maximumLength: maximumLength, overlong: .truncate)
      let dataset = try folder.dataset(cases.map(\.record))
      let preparer = try folder.preparer(dataset, options, tokenizer: tokenizer)
      for (index, golden) in cases.enumerated() {
        let id = golden.record["id"] as? String
        if let code = try golden.fault(semantics, maximumLength: maximumLength) {
          let fault = try #require(throws: SampleFault.self, "\(id ?? "")") { try preparer.sample(at: index) }
          #expect(fault.code == code && fault.id == id && fault.index == index, "\(fault)")
          continue
        }
        let sample = try preparer.sample(at: index)
        // What is learnt where LLaVA gives up is the encoder's own business.
        if golden.isMismatched { continue }
        #expect(sample.ids == golden.ids.map { Array($0.prefix(maximumLength)) }, "\(id ?? "")")
        #expect(sample.labels == golden.labels.prefix(maximumLength).map { $0 == imagePlaceholderID ? ignoredLabel : $0 })
        #expect(sample.id == id && sample.images == (golden.record["image"] == nil ? 0 : 1))
      }
    }
  }

  /// Every picture of the golden data at every size, and two in one sample.
  @Test func pixelsAreLLaVAs() throws {
    let pictures = Fixtures.url("images")
    let configured = try ImagePreprocessor(contentsOf: pictures.appending(path: "preprocessor_config.json"), aspect: .pad)
    let folder = try DataFolder()
    var sizes = 0
    for file in try FileManager.default.contentsOfDirectory(atPath: pictures.path).filter({ $0.hasSuffix(".safetensors") }) {
      let golden = try SafetensorsFile(pictures.appending(path: file))
      // pixel_values/SIZE/pad/NAME
      let keys = golden.entries.keys.map { $0.split(separator: "/").map(String.init) }
        .filter { $0.count == 4 && $0[0] == "pixel_values" && $0[2] == "pad" }
      for (size, keys) in Dictionary(grouping: keys, by: { $0[1] }) {
        let (side, names) = (try #require(Int(size)), keys.map { $0[3] }.sorted())
        let ends = [names[0], names[names.count - 1]]
        _ = try folder.dataset(
          names.map { dataRecord($0, image: $0, "<image>\nq", "a") } + [
            dataRecord("two", image: ends, "<image> and <image>?", "a")
          ])
        let preparer = try SamplePreparer(
          InstructionDataset(contentsOf: folder.file, images: pictures), tokenizer: folder.tokenizer(),
          preprocessor: ImagePreprocessor(imageSize: side, aspect: .pad, mean: configured.mean, std: configured.std),
          options: .small)
        // One level of 255 more or less, as the codecs are not the same.
        let tolerance = 1.01 / 255 / Float(configured.std.min() ?? 1)
        func expect(_ pixels: Tensor, _ name: String) throws {
          let expected = try golden.tensor("pixel_values/\(size)/pad/\(name)").array(Float.self)
          let found = try pixels.array(Float.self)
          #expect(found.count == expected.count)
          #expect(zip(found, expected).allSatisfy { abs($0 - $1) < tolerance }, "\(name)")
        }
        for (index, name) in names.enumerated() {
          let pixels = try #require(try preparer.sample(at: index).pictures.first).views
          #expect(pixels.shape == [1, 3, side, side])
          try expect(pixels, name)
        }
        let two = try preparer.sample(at: names.count)
        #expect(two.pictures.map(\.views.shape) == [[1, 3, side, side], [1, 3, side, side]])
        #expect(two.images == 2 && two.visualTokens == 8)
        for (index, name) in ends.enumerated() { try expect(two.pictures[index].views, name) }
        sizes += 1
      }
    }
    #expect(sizes > 0)
  }

  /// The model's splice gives the rows, the images and the targets that a batch promised.
  @Test func batchesAreWhatTheModelTakes() throws {
    let folder = try DataFolder()
    for name in ["a.png", "b.png"] { try folder.picture(name, width: 60, height: 40) }
    let dataset = try folder.dataset([
      dataRecord("none", "q", "a"), dataRecord("one", image: "a.png", "<image>\nq", "a b", "r", "c"),
      dataRecord("two", image: ["a.png", "b.png"], "<image><image>q", "a"),
    ])
    let model = try TestModel.tiny()
    let preparer = try SamplePreparer(
      dataset, tokenizer: folder.tokenizer(), preprocessor: ImagePreprocessor(imageSize: model.configuration.vision.imageSize),
      options: TextOptions(visualTokens: model.configuration.vision.tokens))
    let plan = BatchPlan(order: SampleOrder(.sequential), batch: .samples(3))
    let batch = try #require(try DataLoader(preparer, plan: plan, epochs: 1).next())
    let features = try batch.samples.map { sample -> [Tensor] in
      try sample.pictures.map { try model.visualTokens($0.views).selected(0, 0) }
    }
    let packed = try model.splice(batch.samples.map(\.ids), features: features, labels: batch.samples.map(\.labels))
    #expect(packed.lengths == batch.samples.map(\.rows))
    #expect(packed.lengths.reduce(0, +) == batch.rows)
    #expect(packed.visual.joined().reduce(0) { $0 + $1.count } == batch.visualTokens)
    let labels = try #require(packed.labels).array(Int.self)
    let first = Set(packed.starts)
    #expect(labels.indices.count { labels[$0] != ignoredLabel && !first.contains($0) } == batch.supervisedTokens)
  }

  /// Every maximum length: what fits is the beginning of the whole, images are cut whole, and nothing longer gets through.
  @Test func longSamplesAreSkippedOrCut() throws {
    let folder = try DataFolder()
    try folder.picture("a.png")
    let dataset = try folder.dataset([dataRecord("x", image: ["a.png", "a.png"], "ab<image>", "cd", "<image>", "ef")])
    let whole = try folder.preparer(dataset).sample(at: 0)
    for maximum in 2...whole.rows {
      var options = TextOptions.small
      options.maximumLength = maximum
      let skipping = try folder.preparer(dataset, options)
      if maximum == whole.rows {
        #expect(try skipping.sample(at: 0).ids == whole.ids)
      } else {
        #expect(try #require(throws: SampleFault.self) { try skipping.sample(at: 0) }.code == .tooLong)
      }
      options.overlong = .truncate
      let cutting = try folder.preparer(dataset, options)
      do {
        let sample = try cutting.sample(at: 0)
        #expect(whole.ids.starts(with: sample.ids) && whole.labels.starts(with: sample.labels))
        #expect(sample.rows <= maximum && sample.supervisedTokens > 0)
        #expect(sample.pictures.count == sample.images)
        let next = whole.ids.dropFirst(sample.ids.count).first
        #expect(next == nil || sample.rows + (next == imagePlaceholderID ? 4 : 1) > maximum)
      } catch let fault as SampleFault {
        // No answer begins in what fits.
        #expect(fault.code == .unsupervised)
        let answer = try #require(whole.labels.firstIndex { $0 != ignoredLabel })
        #expect(maximum <= answer + 3 * whole.ids[..<answer].count { $0 == imagePlaceholderID })
      }
    }
  }

  @Test func settingsThatCannotWorkAreRefused() throws {
    let folder = try DataFolder()
    let dataset = try folder.dataset([dataRecord("x", "q", "a")])
    for options in [TextOptions(maximumLength: 1), TextOptions(visualTokens: 0)] {
      #expect(throws: DatasetError.self) { try folder.preparer(dataset, options) }
    }
    let preparer = try folder.preparer(dataset)
    for batch in [BatchRule.samples(0), .tokens(119)] {
      #expect(throws: DatasetError.self) {
        try DataLoader(preparer, plan: BatchPlan(order: SampleOrder(.shuffled), batch: batch))
      }
    }
  }
}
