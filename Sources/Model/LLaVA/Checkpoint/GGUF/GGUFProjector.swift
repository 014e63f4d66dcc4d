import Torch

/// The tower and the projector of a LLaVA in a GGUF file of their own, as llama.cpp keeps them ("mmproj").
///
/// Keys are those under `clip.vision.`, names of tensors those of llama.cpp's `tools/mtmd/clip-impl.h`.
struct GGUFProjector {
  let file: GGUFFile
  /// Fields of transformers' `CLIPVisionConfig`.
  let fields: [String: JSONValue]
  /// `vision_feature_layer`.
  let featureLayer: Int
  /// All weights.
  let weights: [GGUFWeight]
  /// Mean and standard deviation of the pictures that the tower was trained with, where the file has them.
  let mean, deviation: [Double]?

  /// Reads and checks all but the weights' numbers.
  ///
  /// - Parameter outputs: width of the language model.
  /// - Throws: `TensorFileError`, `ConfigurationError`, `CheckpointError`.
  init(_ file: GGUFFile, outputs: Int) throws {
    self.file = file
    let metadata = file.metadata
    let architecture = try metadata.require("general.architecture", metadata.string("general.architecture"))
    func require(_ field: String, _ found: String, _ known: String) throws {
      if found != known {
        throw ConfigurationError.unsupported(file: file.path, field: field, found: "\"\(found)\"", known: [known])
      }
    }
    try require("general.architecture", architecture, "clip")
    let projector = try metadata.string("clip.projector_type") ?? metadata.string("clip.vision.projector_type") ?? "mlp"
    try require("clip.projector_type", projector, "mlp")
    if metadata.values["clip.vision.image_grid_pinpoints"] != nil {
      throw ConfigurationError.unsupported(
        file: file.path, field: "clip.vision.image_grid_pinpoints", found: "there",
        known: ["files without it, as of LLaVA-1.5; pictures in tiles are not read from GGUF files"])
    }
    fields = try Self.fields(metadata)
    let object = JSONObject(file: file.path, prefix: "clip.vision.", fields: fields)
    let vision = try ConfigurationReader.vision(object, .clip, known: [.clip])
    // Only the sizes: which layer is chosen is said below.
    var sizes = vision
    sizes.featureLayer = -1
    try sizes.validate(file.path)
    // The converter leaves out the layers behind the chosen one, so that is the last, unless the file says which it is.
    let chosen = try metadata.ints("clip.vision.feature_layer") ?? []
    guard chosen.count <= 1 else {
      throw ConfigurationError.invalid(file: file.path, field: "clip.vision.feature_layer", reason: "several layers are not read")
    }
    featureLayer = chosen.first ?? -1
    mean = try metadata.doubles("clip.vision.image_mean")
    deviation = try metadata.doubles("clip.vision.image_std")
    for (key, values) in [("image_mean", mean), ("image_std", deviation)] {
      guard let values, values.count != 3 || !values.allSatisfy(\.isFinite) else { continue }
      throw ConfigurationError.invalid(file: file.path, field: "clip.vision." + key, reason: "expected three numbers")
    }
    weights = try Self.weights(file, vision, outputs: outputs)
    for weight in weights { try weight.check(in: file) }
    let known = Set(weights.map(\.stored))
    if let other = file.entries.keys.filter({ !known.contains($0) }).min() {
      throw CheckpointError.foreignTensor(tensor: other, file: file.path, architecture: architecture)
    }
  }

  private static func fields(_ metadata: GGUFMetadata) throws -> [String: JSONValue] {
    func int(_ name: String) throws -> JSONValue {
      .int(try metadata.require("clip.vision.\(name)", metadata.int("clip.vision.\(name)")))
    }
    let epsilon = "clip.vision.attention.layer_norm_epsilon"
    let activation =
      try metadata.bool("clip.use_gelu") == true ? "gelu" : metadata.bool("clip.use_silu") == true ? "silu" : "quick_gelu"
    let width = try int("embedding_length")
    return [
      "model_type": .string("clip_vision_model"), "hidden_size": width, "projection_dim": width,
      "intermediate_size": try int("feed_forward_length"), "num_hidden_layers": try int("block_count"),
      "num_attention_heads": try int("attention.head_count"), "image_size": try int("image_size"),
      "patch_size": try int("patch_size"), "num_channels": .int(3), "hidden_act": .string(activation),
      "layer_norm_eps": .double(try metadata.require(epsilon, metadata.double(epsilon))),
    ]
  }

  private static func weights(_ file: GGUFFile, _ vision: VisionConfiguration, outputs: Int) throws -> [GGUFWeight] {
    let (hidden, inner, patch) = (vision.hiddenSize, vision.intermediateSize, vision.patchSize)
    guard file.entries.count / 16 >= vision.layers else {
      throw ConfigurationError.invalid(
        file: file.path, field: "clip.vision.block_count",
        reason: "\(vision.layers) layers, and there are \(file.entries.count) tensors")
    }
    var found: [GGUFWeight] = []
    func add(_ name: String, _ stored: String, _ shape: [Int]) {
      found.append(GGUFWeight(name: name, stored: stored, shape: shape))
    }
    func addPair(_ name: String, _ stored: String, _ shape: [Int]) {
      add(name + ".weight", stored + ".weight", shape)
      add(name + ".bias", stored + ".bias", [shape[0]])
    }
    add("tower.embeddings.class_embedding", "v.class_embd", [hidden])
    add("tower.embeddings.patch_embedding.weight", "v.patch_embd.weight", [hidden, vision.channels, patch, patch])
    add("tower.embeddings.position_embedding.weight", "v.position_embd.weight", [vision.patches + 1, hidden])
    addPair("tower.pre_layrnorm", "v.pre_ln", [hidden])
    for layer in 0..<vision.layers {
      let (from, to) = ("v.blk.\(layer).", "tower.encoder.layers.\(layer).")
      addPair(to + "layer_norm1", from + "ln1", [hidden])
      addPair(to + "layer_norm2", from + "ln2", [hidden])
      for (stored, name) in [("attn_q", "q_proj"), ("attn_k", "k_proj"), ("attn_v", "v_proj"), ("attn_out", "out_proj")] {
        addPair(to + "self_attn." + name, from + stored, [hidden, hidden])
      }
      // Older converters call the first of the two "down" and the second "up"; shapes tell.
      let isSwapped = inner != hidden && file.entries[from + "ffn_down.weight"]?.shape == [inner, hidden]
      addPair(to + "mlp.fc1", from + (isSwapped ? "ffn_down" : "ffn_up"), [inner, hidden])
      addPair(to + "mlp.fc2", from + (isSwapped ? "ffn_up" : "ffn_down"), [hidden, inner])
    }
    if file.entries["v.post_ln.weight"] != nil { addPair("tower.post_layernorm", "v.post_ln", [hidden]) }
    addPair("projector.0", "mm.0", [outputs, hidden])
    addPair("projector.1", "mm.2", [outputs, outputs])
    return found
  }
}
