import Basics
import Foundation
import Torch

/// What a model is known by: two hashes that change with its weights, and with all that stands between it and text and pictures.
///
/// Where its folder lies, how its files are cut and in which layout they are does not matter. Files hold these numbers, so what goes in
/// stays: a later field of a configuration must be left out of its JSON where it has the value that was meant before.
public struct ModelFingerprint: Sendable, Equatable, Codable {
  /// How much of the weights is looked at.
  public enum Coverage: Sendable {
    /// Every bit.
    case everything
    /// Of each weight its name, type and shape, and 16 stretches of 256 elements, the first and the last among them.
    ///
    /// That takes a moment for any model. It notices other models, precisions and shapes, and weights that were trained or merged, where
    /// all elements change; not a single element that was changed by hand.
    case samples
  }

  /// Of names, types, shapes and elements of the weights.
  public var weights: String
  /// Of configuration, template, preprocessing, and the tokenizer's files.
  public var surroundings: String

  /// Both as one.
  public var text: String {
    var hash = StableHash()
    hash.addBlock(weights)
    hash.addBlock(surroundings)
    return hash.text
  }

  /// The fingerprint of a model as it stands.
  ///
  /// - Parameters:
  ///   - folder: where the tokenizer's files lie.
  ///   - weight: the elements of a weight; its tensor unless given.
  /// - Throws: `TorchError`, `FileError` for a tokenizer's file that cannot be read, `EncodingError` for numbers that are not finite.
  public init(
    _ pipeline: LLaVAPipeline, tokenizer folder: URL, _ coverage: Coverage, weight: (Parameter) throws -> Tensor = { $0.tensor }
  ) throws {
    var hash = StableHash()
    for parameter in pipeline.model.parameters.parameters {
      let tensor = try weight(parameter).detached()
      try hash.addBlock(json: Heading(name: parameter.name, dtype: tensor.dtype.rawValue, shape: tensor.shape))
      for part in try coverage == .everything ? [tensor] : Self.samples(tensor) { try part.withBytes { hash.addBlock($0) } }
    }
    weights = hash.text
    hash = StableHash()
    try hash.addBlock(json: pipeline.model.configuration)
    try hash.addBlock(json: pipeline.template)
    try hash.addBlock(json: pipeline.preprocessor)
    // Where videos are prepared as usual in the family, what was found before videos came is still known.
    if let videos = pipeline.videos, videos != VideoPreparer(pipeline.model.configuration) { try hash.addBlock(json: videos) }
    if pipeline.model.cachePrecision != .asModel { hash.addBlock("cache \(pipeline.model.cachePrecision.rawValue)") }
    for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"] {
      let url = folder.appending(path: name)
      guard FileManager.default.fileExists(atPath: url.path) else { continue }
      hash.addBlock(name)
      do {
        hash.addBlock(try Data(contentsOf: url, options: .mappedIfSafe))
      } catch {
        throw FileError.failed(path: url.relativePath, reason: systemReason(error))
      }
    }
    surroundings = hash.text
  }

  private struct Heading: Encodable {
    let name, dtype: String
    let shape: [Int]
  }

  private static func samples(_ tensor: Tensor) throws -> [Tensor] {
    let (stretches, length) = (16, 256)
    guard tensor.count > stretches * length else { return [tensor] }
    return try withoutGradient {
      let flat = try tensor.reshaped([-1])
      return try (0..<stretches).map { place in
        try flat.narrow(0, from: place * (tensor.count - length) / (stretches - 1), length: length)
      }
    }
  }
}
