import Torch

/// Quantized matrices in checkpoints, in the format of compressed-tensors: `quantization_config` of config.json and, in place of a
/// matrix's `weight`, `weight_packed`, `weight_scale`, `weight_shape` and perhaps `weight_zero_point`.
enum PackedWeights {
  /// The field of config.json.
  static let field = "quantization_config"
  private static let (method, format) = ("compressed-tensors", "pack-quantized")
  /// What stands behind `weight` in a name.
  static let (codes, scale, shape, zeroPoint) = ("_packed", "_scale", "_shape", "_zero_point")
  static let parts = [codes, scale, shape, zeroPoint]

  /// Throws unless the quantization that a config.json names, if any, is one that is read.
  ///
  /// - Throws: `ConfigurationError.unsupported`.
  static func check(_ root: JSONObject) throws {
    guard let found = try root.object(field) else { return }
    let method = try found.string("quant_method") ?? "nothing"
    guard method == self.method else {
      throw ConfigurationError.unsupported(
        file: root.file, field: field + ".quant_method", found: method,
        known: ["\(self.method); epic convert --bits writes it from the unquantized checkpoint"])
    }
    let format = try found.string("format") ?? "nothing"
    guard format == self.format else {
      throw ConfigurationError.unsupported(file: root.file, field: field + ".format", found: format, known: [self.format])
    }
  }

  /// True for the matrix of a linear layer of the decoder; embeddings and output layer stay dense in files.
  static func isLinear(_ name: String) -> Bool { name.hasPrefix("decoder.layers.") && name.hasSuffix("_proj.weight") }

  /// `quantization_config` for matrices in so many bits.
  ///
  /// - Parameter dense: linear layers of the decoder that could not be quantized, by the model's own names.
  static func configuration(
    _ options: QuantizationOptions, dense: [String], _ configuration: LLaVAConfiguration, _ layout: CheckpointLayout
  ) -> JSONValue {
    let weights: [String: JSONValue] = [
      "num_bits": .int(options.bits), "type": .string("int"), "symmetric": .bool(options.bits == 8),
      "strategy": .string(options.bits == 8 ? "channel" : "group"), "dynamic": .bool(false),
      "group_size": options.bits == 8 ? .null : .int(QuantizedMatrix.block),
    ]
    let layers = dense.map {
      KeyNames.running(String($0.dropLast(".weight".count)), layout, configuration.family.weights)
    }
    let others = ["lm_head", "vision_tower", "multi_modal_projector", "mm_projector", "visual", "audio_tower"].map {
      "re:.*\($0).*"
    }
    return .object([
      "quant_method": .string(method), "format": .string(format), "quantization_status": .string("compressed"),
      "config_groups": .object(["group_0": .object(["targets": .array([.string("Linear")]), "weights": .object(weights)])]),
      "ignore": .array((others + layers).map(JSONValue.string)),
    ])
  }

  /// What files hold for a matrix, under the model's own names.
  ///
  /// - Parameter load: makes the matrix; called once for all its parts where they are written one after the other.
  static func items(
    _ name: String, _ shape: [Int], bits: Int, group: Int, dtype: DType, _ load: @escaping () throws -> QuantizedMatrix
  ) -> [SafetensorsItem] {
    let made = Made(load)
    let groups = shape[1] / group
    var items = [
      SafetensorsItem(name: name + codes, dtype: .int32, shape: [shape[0], shape[1] / 32 * bits]) { try made.matrix().packed },
      SafetensorsItem(name: name + scale, dtype: dtype, shape: [shape[0], groups]) { try made.matrix().scale },
    ]
    if bits == 4 {
      items.append(
        SafetensorsItem(name: name + zeroPoint, dtype: .int32, shape: [(shape[0] + 7) / 8, groups]) {
          guard let zeros = try made.matrix().zeroPoint else {
            throw TorchError.operatorFailed(name: "quantized matrix", message: "4 bits without zero points")
          }
          return zeros
        })
    }
    return items + [
      SafetensorsItem(name: name + self.shape, dtype: .int64, shape: [2]) {
        made.isDone()
        return try Tensor(shape)
      }
    ]
  }

  /// A matrix between the first and the last of its parts that are written.
  private final class Made {
    private let load: () throws -> QuantizedMatrix
    private var found: PackedMatrix?

    init(_ load: @escaping () throws -> QuantizedMatrix) { self.load = load }

    func matrix() throws -> PackedMatrix {
      if let found { return found }
      let made = try load().packed()
      found = made
      return made
    }

    func isDone() { found = nil }
  }
}
