import Foundation
import Torch

/// How a GGUF file stretches rotary embeddings, as transformers' `rope_scaling` says it.
enum GGUFRope {
  /// The tensor in which llama.cpp's converter keeps what Llama 3.1 divides each frequency by.
  static let factors = "rope_freqs.weight"

  /// The field, or nil where nothing is stretched.
  ///
  /// - Throws: `ConfigurationError.unsupported` for kinds that are not read, `TensorFileError`.
  static func scaling(_ file: GGUFFile, _ architecture: String, _ text: TextConfiguration) throws -> JSONValue? {
    let metadata = file.metadata
    let key = "\(architecture).rope.scaling."
    // Older files have one key, for the only kind that there was.
    let old = try metadata.double("\(architecture).rope.scale_linear")
    let type = try metadata.string(key + "type") ?? (old == nil ? "none" : "linear")
    switch type {
    case "none": break
    case "linear":
      let factor = try metadata.require(key + "factor", metadata.double(key + "factor") ?? old)
      try requireNumber(factor, in: 1...1e9, file.path, key + "factor")
      return factor == 1 ? nil : .object(["rope_type": .string("linear"), "factor": .double(factor)])
    default:
      throw ConfigurationError.unsupported(
        file: file.path, field: key + "type", found: "\"\(type)\"", known: ["none", "linear"])
    }
    return file.entries[factors] == nil ? nil : try llama3(file, text)
  }

  /// The settings of Llama 3.1 that give the file's factors.
  ///
  /// The file holds the factors alone: 1 for high frequencies, `factor` for low ones, and a blend between (transformers'
  /// `_compute_llama3_parameters`). The three other settings are the same in all models of that kind, so it is enough to see
  /// whether they give what stands there.
  private static func llama3(_ file: GGUFFile, _ text: TextConfiguration) throws -> JSONValue? {
    let weight = GGUFWeight(name: "", stored: factors, shape: [text.headDimension / 2])
    try weight.check(in: file)
    let found = try weight.read(from: file, as: .float32).array(Float.self).map(Double.init)
    let factor = found.max() ?? 1
    if found.allSatisfy({ $0 == 1 }) { return nil }
    let (low, high, original) = (1.0, 4.0, 8192)
    let expected = found.indices.map { index in
      let length = 2 * Double.pi * pow(text.ropeTheta, Double(2 * index) / Double(text.headDimension))
      if length < Double(original) / high { return 1.0 }
      if length > Double(original) / low { return factor }
      let blend = (Double(original) / length - low) / (high - low)
      return 1 / ((1 - blend) / factor + blend)
    }
    guard factor >= 1, zip(found, expected).allSatisfy({ abs($0 - $1) <= 1e-3 * $1 }) else {
      throw ConfigurationError.unsupported(
        file: file.path, field: factors, found: "of other factors", known: ["those of Llama 3.1 to 3.3"])
    }
    return .object([
      "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .double(low),
      "high_freq_factor": .double(high), "original_max_position_embeddings": .int(original),
    ])
  }
}
