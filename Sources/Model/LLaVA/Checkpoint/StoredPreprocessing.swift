import Foundation
import Imaging

extension ConfigurationReader {
  /// The file that says how pictures are prepared: the checkpoint's own, else its CLIP folder's; nil where neither has one.
  ///
  /// - Throws: `ImagingError`, `ConfigurationError`.
  func preprocessingFile() throws -> URL? {
    for place in try [folder, towerFolder()].compactMap(\.self) {
      if let url = try ImagePreprocessor.settings(in: place) { return url }
    }
    return nil
  }
}

/// How pictures are prepared, field by field as a checkpoint says it, so that what is written says the same.
struct StoredPreprocessing {
  /// The image processor's settings.
  var image: [String: JSONValue]
  /// What `processor_config.json` says besides.
  var processor: [String: JSONValue] = [:]
  /// True where the settings are a section of `processor_config.json`, as transformers 5 writes them; else they have a file of their own,
  /// which every version reads.
  var isNested = false

  private static let section = "image_processor"

  /// CLIP's settings for pictures of the tower's size.
  init(clip vision: VisionConfiguration) {
    let size = vision.imageSize
    image = [
      "image_processor_type": .string("CLIPImageProcessor"), "do_resize": .bool(true), "do_center_crop": .bool(true),
      "do_rescale": .bool(true), "do_normalize": .bool(true), "do_convert_rgb": .bool(true), "resample": .int(3),
      "rescale_factor": .double(1 / 255), "size": .object(["shortest_edge": .int(size)]),
      "crop_size": .object(["height": .int(size), "width": .int(size)]),
      "image_mean": .array(ImagePreprocessor.clipMean.map(JSONValue.double)),
      "image_std": .array(ImagePreprocessor.clipStd.map(JSONValue.double)),
    ]
  }

  /// What a folder says, a checkpoint or one with nothing but a checkpoint's other files; nil where it says nothing.
  ///
  /// - Throws: `ImagingError`, `ConfigurationError`.
  init?(of folder: URL) throws {
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) }
    let found =
      try exists("config.json") ? ConfigurationReader(folder).preprocessingFile() : ImagePreprocessor.settings(in: folder)
    guard let found else { return nil }
    let stored = try JSONObject(contentsOf: found)
    if let section = try stored.object(Self.section) {
      (image, isNested) = (section.fields, true)
    } else {
      image = stored.fields
    }
    if exists("processor_config.json") {
      processor = try JSONObject(contentsOf: folder.appendingPathComponent("processor_config.json")).fields
      processor[Self.section] = nil
    }
  }

  /// Writes the files of a layout.
  func write(_ vision: VisionConfiguration, _ layout: CheckpointLayout, to folder: URL) throws {
    let own = folder.appendingPathComponent("preprocessor_config.json")
    guard layout == .huggingFace else { return try writeJSON(image, to: own) }
    var fields: [String: JSONValue] = [
      "processor_class": .string("LlavaProcessor"), "patch_size": .int(vision.patchSize),
      "num_additional_image_tokens": .int(1), "image_token": .string("<image>"),
      "vision_feature_select_strategy": .string(vision.featureSelection.rawValue),
    ]
    fields.merge(processor) { $1 }
    if isNested { fields[Self.section] = .object(image) } else { try writeJSON(image, to: own) }
    try writeJSON(fields, to: folder.appendingPathComponent("processor_config.json"))
  }
}
