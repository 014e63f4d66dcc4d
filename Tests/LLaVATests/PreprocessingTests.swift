import Foundation
import Imaging
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// How pictures are prepared: read from wherever transformers reads it, and kept when a checkpoint is written.
@Suite struct PreprocessingTests {
  private let scratch: Scratch
  private let model: LLaVAModel

  init() throws {
    scratch = try Scratch()
    model = try TestModel.tiny(seed: 1)
  }

  private static let settings: [String: any Sendable] = [
    "image_processor_type": "CLIPImageProcessor", "do_normalize": true, "image_mean": [0.5, 0.25, 0], "image_std": [1, 0.5, 2],
    "resample": 2, "size": ["shortest_edge": 70], "crop_size": ["height": 56, "width": 56], "do_convert_rgb": true,
    "rescale_factor": 0.00392156862745098, "a_field_of_tomorrow": ["x", "y"],
  ]

  private func kept() throws -> [String: JSONValue] {
    try JSONDecoder().decode([String: JSONValue].self, from: JSONSerialization.data(withJSONObject: Self.settings))
  }

  /// The fields of a file; nil where there is none.
  private func fields(_ folder: URL, _ name: String) throws -> [String: JSONValue]? {
    let url = folder.appending(path: name)
    return FileManager.default.fileExists(atPath: url.path) ? try JSONObject(contentsOf: url).fields : nil
  }

  private func set(_ folder: URL, _ name: String, _ fields: [String: Any]?) throws {
    let url = folder.appending(path: name)
    if FileManager.default.fileExists(atPath: url.path) { try FileManager.default.removeItem(at: url) }
    if let fields { try JSONSerialization.data(withJSONObject: fields).write(to: url) }
  }

  /// A checkpoint whose settings stand as transformers 5 writes them, or as those before did.
  private func start(nested: Bool, _ layout: CheckpointLayout = .huggingFace) throws -> URL {
    let folder = scratch.url.appending(path: "start-\(nested)-\(layout.rawValue)")
    try TestModel.write(model, to: folder, layout: layout)
    if nested {
      try set(folder, "preprocessor_config.json", nil)
      try set(
        folder, "processor_config.json",
        ["processor_class": "LlavaProcessor", "patch_size": 14, "image_token": "<picture>", "image_processor": Self.settings])
    } else {
      try set(folder, "preprocessor_config.json", Self.settings)
    }
    return folder
  }

  private func requireSettings(_ preprocessor: ImagePreprocessor) throws {
    #expect(preprocessor.mean == [0.5, 0.25, 0] && preprocessor.std == [1, 0.5, 2] && preprocessor.imageSize == 56)
    // At this size nothing is resampled: the crop's own levels, scaled and normalised.
    let side = 70
    let levels: [UInt8] = (0..<side * side * 3).map { UInt8($0 % 251) }
    let values = try preprocessor(RGBImage(width: side, height: side, pixels: levels)).array(Float.self)
    for (channel, row, column) in [(0, 0, 0), (1, 17, 40), (2, 55, 55)] {
      let level = levels[((row + 7) * side + column + 7) * 3 + channel]
      let expected = (Double(level) / 255 - [0.5, 0.25, 0][channel]) / [1, 0.5, 2][channel]
      #expect(abs(Double(values[(channel * 56 + row) * 56 + column]) - expected) < 1e-6)
    }
  }

  @Test(arguments: [true, false], CheckpointLayout.allCases)
  func whatWasReadIsKept(_ nested: Bool, _ layout: CheckpointLayout) throws {
    let folder = try start(nested: nested, layout)
    try requireSettings(LLaVAPipeline.load(from: folder).preprocessor)
    let written = scratch.url.appending(path: "written")
    try CheckpointWriter.write(model, to: written, layout: layout, companions: folder)
    try requireSettings(LLaVAPipeline.load(from: written).preprocessor)
    let settings = try kept()
    let (own, processor) = try (fields(written, "preprocessor_config.json"), fields(written, "processor_config.json"))
    if layout == .original {
      #expect(own == settings && processor == nil)
      #expect(try fields(written, "vision_tower/preprocessor_config.json") == settings)
    } else if nested {
      #expect(own == nil && processor?["image_processor"] == .object(settings))
      #expect(processor?["image_token"] == .string("<picture>") && processor?["num_additional_image_tokens"] == .int(1))
    } else {
      #expect(own == settings && processor?["image_processor"] == nil)
    }
  }

  /// From one layout to the other and back.
  @Test(arguments: [true, false]) func conversionKeepsIt(_ nested: Bool) throws {
    let (original, back) = (scratch.url.appending(path: "original"), scratch.url.appending(path: "back"))
    try CheckpointWriter.convert(CheckpointReader(start(nested: nested)), to: original, layout: .original)
    try CheckpointWriter.convert(CheckpointReader(original), to: back, layout: .huggingFace)
    for folder in [original, back] {
      try requireSettings(LLaVAPipeline.load(from: folder).preprocessor)
      #expect(try fields(folder, "preprocessor_config.json") == kept())
    }
  }

  /// transformers takes the section where both are there.
  @Test func theSectionComesFirst() throws {
    let folder = try start(nested: true)
    try set(folder, "preprocessor_config.json", ["size": 56, "image_mean": [0, 0, 0]])
    try requireSettings(LLaVAPipeline.load(from: folder).preprocessor)
    try set(folder, "processor_config.json", ["processor_class": "LlavaProcessor", "image_processor": NSNull()])
    #expect(try LLaVAPipeline.load(from: folder).preprocessor.mean == [0, 0, 0])
    try set(folder, "processor_config.json", ["image_processor": ["image_mean": "grey"]])
    let error = #expect(throws: ImagingError.self) { try LLaVAPipeline.load(from: folder) }
    #expect(error?.description.contains("processor_config.json: image_processor.image_mean") == true)
  }

  @Test func theTowersFolderIsAskedLast() throws {
    let folder = try start(nested: false, .original)
    try set(folder, "preprocessor_config.json", nil)
    try set(folder, "vision_tower/preprocessor_config.json", Self.settings)
    try requireSettings(LLaVAPipeline.load(from: folder).preprocessor)
    let written = scratch.url.appending(path: "written")
    try CheckpointWriter.convert(CheckpointReader(folder), to: written, layout: .huggingFace)
    try requireSettings(LLaVAPipeline.load(from: written).preprocessor)
    try set(folder, "vision_tower/preprocessor_config.json", nil)
    #expect(try LLaVAPipeline.load(from: folder).preprocessor.mean == ImagePreprocessor.clipMean)
  }

  private struct Asked: Decodable {
    let settings: String
    let pixels: [Float]
  }

  /// What transformers writes, we read; what we write of it, transformers reads as it was, in either file's style.
  @Test func transformersPreparesPicturesAfterTrainingAsBefore() async throws {
    func place(_ name: String) -> URL { scratch.url.appending(path: name) }
    try TestModel.write(model, to: place("start"))
    let changes: [String: Any] = [
      "image_mean": [0.5, 0.25, 0], "image_std": [1, 0.5, 2], "resample": 2, "size": ["shortest_edge": 70],
      "crop_size": ["height": 56, "width": 56],
    ]
    try set(scratch.url, "changes.json", changes)
    // Square, so that it makes no difference that we pad.
    let levels: [UInt8] = (0..<24_300).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 270 * 31) }
    let picture = try RGBImage(width: 90, height: 90, pixels: levels)
    try picture.writePNG(to: place("picture.png"))
    do {
      _ = try await PythonProgram.run(
        "image_processors.py", ["make"] + ["start", "changes.json", "made"].map { place($0).path })
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with transformers: \(reason)")
      try Test.cancel("\(reason)")
    }
    try set(place("start"), "preprocessor_config.json", nil)
    #expect(try fields(place("made"), "processor_config.json")?["image_processor"] != nil)
    #expect(try fields(place("made"), "preprocessor_config.json") == nil)
    try set(place("start"), "processor_config.json", nil)
    try FileManager.default.copyItem(
      at: place("made").appending(path: "processor_config.json"), to: place("start").appending(path: "processor_config.json"))
    try CheckpointWriter.write(model, to: place("nested"), companions: place("start"))
    try CheckpointWriter.convert(CheckpointReader(place("start")), to: place("original"), layout: .original)
    try CheckpointWriter.write(model, to: place("plain"), companions: place("original"))
    let folders = ["start", "nested", "plain"]
    let output = try await PythonProgram.run("image_processors.py", ["ask"] + (["picture.png"] + folders).map { place($0).path })
    let asked = try JSONDecoder().decode([Asked].self, from: Data(output.utf8))
    #expect(asked.map(\.settings) == Array(repeating: asked[0].settings, count: folders.count))
    for (folder, answer) in zip(folders, asked) {
      let ours = try LLaVAPipeline.load(from: place(folder)).preprocessor(picture).array(Float.self)
      #expect(ours.count == answer.pixels.count)
      // Half a level of 255 over the smallest deviation.
      #expect(zip(ours, answer.pixels).allSatisfy { abs($0 - $1) < 2e-2 }, "\(folder)")
      #expect((ours.max() ?? 0) - (ours.min() ?? 0) > 0.5)
    }
  }
}
