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

  /// The settings of a tower for pictures of its size, each shown whole.
  init(whole vision: VisionConfiguration) {
    let side = JSONValue.int(vision.imageSize)
    let square = JSONValue.object(["height": side, "width": side])
    let isCLIP = vision.tower == .clip
    image = [
      "image_processor_type": .string(isCLIP ? "CLIPImageProcessor" : "SiglipImageProcessor"), "do_resize": .bool(true),
      "do_rescale": .bool(true), "do_normalize": .bool(true), "do_convert_rgb": .bool(true), "resample": .int(3),
      "rescale_factor": .double(1 / 255), "size": isCLIP ? .object(["shortest_edge": side]) : square,
      "image_mean": .array(vision.standardMean.map(JSONValue.double)),
      "image_std": .array(vision.standardStd.map(JSONValue.double)),
    ]
    if isCLIP {
      image["crop_size"] = square
      image["do_center_crop"] = .bool(true)
    }
    processor = [
      "processor_class": .string("LlavaProcessor"), "patch_size": .int(vision.patchSize),
      "num_additional_image_tokens": .int(vision.hasClassToken ? 1 : 0), "image_token": .string("<image>"),
      "vision_feature_select_strategy": .string(vision.featureSelection.rawValue),
    ]
  }

  /// The settings of a model that is shown pictures in tiles, under the names of its classes.
  init(tiles c: LLaVAConfiguration, type: String, processor name: String) {
    self.init(whole: c.vision)
    image["image_processor_type"] = .string(type)
    image["do_pad"] = .bool(true)
    image.merge(c.tilingFields) { $1 }
    processor["processor_class"] = .string(name)
  }

  /// What a folder says, a checkpoint or one with nothing but a checkpoint's other files; nil where it says nothing.
  ///
  /// - Parameter standard: what `processor_config.json` says where the folder has none.
  /// - Throws: `ImagingError`, `ConfigurationError`.
  init?(of folder: URL, standard: StoredPreprocessing) throws {
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
    processor = standard.processor
    if exists("processor_config.json") {
      var own = try JSONObject(contentsOf: folder.appendingPathComponent("processor_config.json")).fields
      own[Self.section] = nil
      processor.merge(own) { $1 }
    }
  }

  /// Writes the files of a layout.
  func write(_ layout: CheckpointLayout, to folder: URL) throws {
    let own = folder.appendingPathComponent("preprocessor_config.json")
    guard layout == .huggingFace else { return try writeJSON(image, to: own) }
    var fields = processor
    if isNested { fields[Self.section] = .object(image) } else { try writeJSON(image, to: own) }
    try writeJSON(fields, to: folder.appendingPathComponent("processor_config.json"))
  }
}

extension VisionConfiguration {
  /// The mean of the pictures that towers of its kind were trained with, for red, green and blue in 0...1.
  var standardMean: [Double] { tower == .clip ? ImagePreprocessor.clipMean : [0.5, 0.5, 0.5] }
  /// Their standard deviation.
  var standardStd: [Double] { tower == .clip ? ImagePreprocessor.clipStd : [0.5, 0.5, 0.5] }
}
