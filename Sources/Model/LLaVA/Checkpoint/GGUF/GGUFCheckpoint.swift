import Foundation
import Torch

/// A model in GGUF files: a language model, and its tower and projector in a file beside it.
public struct GGUFCheckpoint {
  private let text: GGUFText
  private let projector: GGUFProjector?
  /// The element type that weights are written in where none is asked for.
  ///
  /// That of the decoder's matrices, or bfloat16 for those in blocks.
  public let dtype: DType

  /// What a model without a tower cannot do; nil for one with a tower.
  public var note: String? {
    guard projector == nil else { return nil }
    return "a language model alone (\(architectureClass)), which transformers loads; epic needs a vision tower beside it: give "
      + "the model's own as --projector mmproj.gguf, or put the model into a LLaVA and train a projector with stage: pretrain"
  }

  /// True for a file whose name ends as those of GGUF files do.
  public static func isOne(_ url: URL) -> Bool {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    return exists && !isFolder.boolValue && url.pathExtension.lowercased() == "gguf"
  }

  /// The GGUF files that stand where a checkpoint is expected: a file itself or those of a folder without a config.json, and the projectors beside
  /// it, which llama.cpp calls mmproj.
  ///
  /// - Returns: nil where there is none. A folder of nothing but a projector has that one as its model.
  /// - Throws: the system's error for a folder that cannot be listed.
  public static func files(at url: URL) throws -> (model: URL, projectors: [URL])? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return nil }
    if !isFolder.boolValue, !isOne(url) { return nil }
    if isFolder.boolValue, FileManager.default.fileExists(atPath: url.appending(path: "config.json").path) { return nil }
    let folder = isFolder.boolValue ? url : url.deletingLastPathComponent()
    let found = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { folder.appending(path: $0) }
      .filter(isOne)
    func isProjector(_ url: URL) -> Bool { url.lastPathComponent.lowercased().contains("mmproj") }
    let projectors = found.filter(isProjector)
    guard isFolder.boolValue else { return (url, projectors.filter { $0.lastPathComponent != url.lastPathComponent }) }
    if let model = found.first(where: { !isProjector($0) }) { return (model, projectors) }
    return projectors.first.map { ($0, []) }
  }

  /// Opens the files and checks all but the weights' numbers.
  ///
  /// - Parameters:
  ///   - model: the language model, of architecture `llama` or `qwen2`.
  ///   - projector: tower and projector, of architecture `clip`.
  /// - Throws: `TensorFileError`, `ConfigurationError`, `CheckpointError`.
  public init(_ model: URL, projector: URL? = nil) throws {
    let text = try GGUFText(GGUFFile(model))
    self.text = text
    self.projector = try projector.map { try GGUFProjector(GGUFFile($0), outputs: text.configuration.hiddenSize) }
    let stored = text.file.entries["blk.0.ffn_down.weight"]?.dtype ?? .bfloat16
    dtype = stored.isFloatingPoint ? stored : .float32
  }

  private var architectureClass: String { text.architecture == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM" }

  /// Writes a checkpoint that transformers loads: a LLaVA, or a language model alone where there is no projector.
  ///
  /// Weights pass one by one.
  ///
  /// - Parameters:
  ///   - folder: must not exist yet.
  ///   - dtype: element type in the files; nil for `dtype` of this value.
  ///   - shardBytes: files are split where they would be larger.
  /// - Throws: `CheckpointError.exists`, `.notFinite`; `LanguageError` for a tokenizer that makes no sense or is not read; or the
  ///   system's error.
  public func write(to folder: URL, dtype: DType? = nil, shardBytes: Int = 5_000_000_000) throws {
    let dtype = dtype ?? self.dtype
    if let projector {
      try writeLLaVA(projector, to: folder, dtype, shardBytes)
    } else {
      try writeText(to: folder, dtype, shardBytes)
    }
  }

  private func items(
    _ weights: [GGUFWeight], _ file: GGUFFile, _ dtype: DType, _ rename: (String) -> String
  ) -> [SafetensorsItem] {
    weights.map { weight in
      SafetensorsItem(name: rename(weight.name), dtype: dtype, shape: weight.shape) { try weight.read(from: file, as: dtype) }
    }
  }

  private func writeText(to folder: URL, _ dtype: DType, _ shardBytes: Int) throws {
    var fields = text.fields
    fields["architectures"] = .array([.string(architectureClass)])
    fields["torch_dtype"] = .string(dtype.rawValue)
    try writingFolder(folder) { temporary in
      // Whatever is wrong with the tokenizer is said before gigabytes are written.
      try text.vocabulary.write(to: temporary)
      try writeJSON(fields, to: temporary.appendingPathComponent("config.json"))
      // The original LLaVA has its decoder where transformers' language models have theirs.
      let items = items(text.weights, text.file, dtype) { KeyNames.file($0, .original) }
      try SafetensorsWriter.write(items, toFolder: temporary, shardBytes: shardBytes)
    }
  }

  private func writeLLaVA(_ projector: GGUFProjector, to folder: URL, _ dtype: DType, _ shardBytes: Int) throws {
    var source = text.vocabulary
    let picture = "<image>"
    let imageToken = source.vocabulary.id(of: picture) ?? text.configuration.vocabularySize
    if imageToken == text.configuration.vocabularySize { source.vocabulary.imageToken = (imageToken, picture) }
    // A tokenizer that is not read is said before gigabytes are written.
    _ = try source.vocabulary.tokenizerJSON()
    let configuration = try configuration(projector, imageToken: imageToken)
    var preprocessing = StoredPreprocessing(whole: configuration.vision)
    if let mean = projector.mean { preprocessing.image["image_mean"] = .array(mean.map(JSONValue.double)) }
    if let deviation = projector.deviation { preprocessing.image["image_std"] = .array(deviation.map(JSONValue.double)) }
    let weights = items(projector.weights, projector.file, dtype) { $0 } + items(text.weights, text.file, dtype) { $0 }
    try CheckpointWriter.write(
      weights, configuration, to: folder, .huggingFace, shardBytes, nil, preprocessing: preprocessing,
      more: { try source.write(to: $0) })
  }

  /// The whole model's configuration, read from what its config.json would say.
  private func configuration(_ projector: GGUFProjector, imageToken: Int) throws -> LLaVAConfiguration {
    var fields: [String: JSONValue] = [
      "model_type": .string(ModelFamily.llava.type), "text_config": .object(text.fields),
      "vision_config": .object(projector.fields), "image_token_index": .int(imageToken),
      "vision_feature_layer": .int(projector.featureLayer), "vision_feature_select_strategy": .string("default"),
      "tie_word_embeddings": .bool(text.configuration.tiesEmbeddings),
    ]
    fields["pad_token_id"] = text.fields["pad_token_id"]
    let file = text.file.path
    let reader = try ConfigurationReader(
      URL(fileURLWithPath: file), JSONObject(file: file, prefix: "", fields: fields))
    let configuration = try ModelFamily.llava.read(reader)
    try configuration.validate(file, textPrefix: "text_config.")
    return configuration
  }
}
