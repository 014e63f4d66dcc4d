import Foundation
import Torch

/// Writes checkpoints that transformers or the original LLaVA load unchanged.
///
/// A checkpoint appears whole or not at all: it is written into a temporary folder beside its place, then renamed.
public enum CheckpointWriter {
  /// What accompanies the weights, by file name in the folder it comes from.
  static let companions = [
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "chat_template.json", "chat_template.jinja", "generation_config.json",
    "video_preprocessor_config.json",
  ]

  /// Writes a model, the changes of LoRA adapters merged into its weights and matrices in few bits as the numbers that they stand for.
  ///
  /// - Parameters:
  ///   - folder: must not exist yet.
  ///   - dtype: element type in the files; `nil` keeps the weights'.
  ///   - shardBytes: files are split where they would be larger.
  ///   - companions: a folder whose tokenizer files are copied, and whose settings of the image processor are kept, as a rule the
  ///     checkpoint that the model was read from. Without settings there pictures are prepared as is usual in the family.
  /// - Throws: `CheckpointError.exists`, `ConfigurationError`, `ImagingError`, `TensorFileError`, or the system's error.
  public static func write(
    _ model: LLaVAModel, to folder: URL, layout: CheckpointLayout = .huggingFace, dtype: DType? = nil,
    shardBytes: Int = 5_000_000_000, companions: URL? = nil
  ) throws {
    let parts = Set(model.parameters.quantized.keys.flatMap { name in QuantizedMatrix.parts.map { "\(name).\($0)" } })
    var weights = model.parameters.parameters.filter { $0.group != .adapter && !parts.contains($0.name) }.map { parameter in
      SafetensorsItem(name: parameter.name, dtype: dtype ?? parameter.tensor.dtype, shape: parameter.tensor.shape) {
        try model.merged(parameter)
      }
    }
    weights += model.parameters.quantized.sorted { $0.key < $1.key }.map { name, matrix in
      SafetensorsItem(name: name, dtype: dtype ?? matrix.dtype, shape: [matrix.outputs, matrix.inputs]) {
        try model.merged(name, matrix)
      }
    }
    try write(weights, model.configuration, to: folder, layout, shardBytes, companions)
  }

  /// Writes a checkpoint's weights in another layout, dtype or number of bits, one weight in memory at a time.
  ///
  /// - Parameter quantization: in how many bits the matrices of the decoder's layers are written, in the format of compressed-tensors;
  ///   nil for all weights dense.
  /// - Throws: as `write`, and what reading throws.
  public static func convert(
    _ reader: CheckpointReader, to folder: URL, layout: CheckpointLayout, dtype: DType? = nil,
    quantization: QuantizationOptions? = nil, shardBytes: Int = 5_000_000_000
  ) throws {
    var dense: [String] = []
    let weights = try reader.weights.flatMap { weight in
      let target = dtype ?? weight.dtype ?? .float32
      guard let quantization, PackedWeights.isLinear(weight.name) else {
        return [
          SafetensorsItem(name: weight.name, dtype: target, shape: weight.shape) {
            try reader.parameter(weight.name, shape: weight.shape)
          }
        ]
      }
      guard let choice = quantization.choice(weight.name, weight.shape) else {
        dense.append(weight.name)
        return [
          SafetensorsItem(name: weight.name, dtype: target, shape: weight.shape) {
            try reader.parameter(weight.name, shape: weight.shape)
          }
        ]
      }
      return PackedWeights.items(weight.name, weight.shape, bits: choice.bits, group: choice.group, dtype: target) {
        switch try reader.matrix(weight.name, shape: weight.shape) {
        case .quantized(let matrix) where matrix.bits == choice.bits && matrix.group == choice.group: matrix
        case let found: try QuantizedMatrix(found.dense().to(target), bits: choice.bits, group: choice.group)
        }
      }
    }
    try write(
      weights, reader.configuration, to: folder, layout, shardBytes, reader.folder,
      fields: quantization.map {
        [PackedWeights.field: PackedWeights.configuration($0, dense: dense, reader.configuration, layout)]
      }
        ?? [:])
  }

  /// Writes weights by the model's own names, with all other files.
  ///
  /// - Parameters:
  ///   - fields: what config.json says besides.
  ///   - preprocessing: how pictures are prepared, where neither companions nor the family's usual way say it.
  ///   - more: puts further files into the folder.
  static func write(
    _ weights: [SafetensorsItem], _ configuration: LLaVAConfiguration, to folder: URL, _ layout: CheckpointLayout,
    _ shardBytes: Int, _ companions: URL?, fields: [String: JSONValue] = [:], preprocessing own: StoredPreprocessing? = nil,
    more: (URL) throws -> Void = { _ in }
  ) throws {
    let (weights, configuration) =
      try layout == .huggingFace ? coveringSpecialTokens(weights, configuration) : (weights, configuration)
    try writingFolder(folder) { temporary in
      // The dtype of the decoder stands for the checkpoint's.
      let dtype = weights.first { $0.name.hasPrefix("decoder.") && $0.dtype.isFloatingPoint }?.dtype ?? .float32
      let json = try configuration.json(layout, dtype: dtype.rawValue).merging(fields) { $1 }
      try writeJSON(json, to: temporary.appendingPathComponent("config.json"))
      var items = weights.map { item in
        SafetensorsItem(
          name: KeyNames.file(item.name, layout, configuration.family.weights), dtype: item.dtype, shape: item.shape,
          load: item.load)
      }
      if layout == .huggingFace { items += try postNorm(weights, configuration) }
      try SafetensorsWriter.write(items, toFolder: temporary, shardBytes: shardBytes)
      let standard = own ?? configuration.family.preprocessing(configuration)
      let preprocessing = try companions.flatMap { try StoredPreprocessing(of: $0, standard: standard) } ?? standard
      try preprocessing.write(layout, to: temporary)
      if layout == .original { try writeTowerConfiguration(configuration, preprocessing, temporary) }
      if let companions { try copyCompanions(from: companions, to: temporary) }
      try more(temporary)
    }
  }

  /// The tower's last normalisation, which no feature uses but transformers wants in the file: the identity where it is missing.
  private static func postNorm(_ weights: [SafetensorsItem], _ configuration: LLaVAConfiguration) throws -> [SafetensorsItem] {
    let name = KeyNames.unusedNorm
    guard configuration.windowed == nil, configuration.audio == nil, !weights.contains(where: { $0.name.hasPrefix(name) }),
      let dtype = weights.first?.dtype
    else { return [] }
    let width = configuration.vision.hiddenSize
    return [
      SafetensorsItem(KeyNames.file(name + "weight", .huggingFace), try Tensor.ones([width], dtype)),
      SafetensorsItem(KeyNames.file(name + "bias", .huggingFace), try Tensor.zeros([width], dtype)),
    ]
  }

  /// The CLIP configuration that the original layout's `mm_vision_tower` names; the weights are in the checkpoint itself.
  private static func writeTowerConfiguration(
    _ configuration: LLaVAConfiguration, _ preprocessing: StoredPreprocessing, _ folder: URL
  ) throws {
    let tower = folder.appendingPathComponent("vision_tower")
    try FileManager.default.createDirectory(at: tower, withIntermediateDirectories: false)
    var fields = configuration.visionJSON
    fields["architectures"] = .array([.string("CLIPVisionModel")])
    try writeJSON(fields, to: tower.appendingPathComponent("config.json"))
    try preprocessing.write(.original, to: tower)
  }

  private static func copyCompanions(from source: URL, to folder: URL) throws {
    for name in companions {
      // Hub caches hold links to files elsewhere; a copy of the link would lead nowhere.
      let url = source.appendingPathComponent(name).resolvingSymlinksInPath()
      if FileManager.default.fileExists(atPath: url.path) {
        try FileManager.default.copyItem(at: url, to: folder.appendingPathComponent(name))
      }
    }
  }
}
