import Foundation
import Torch

/// The language model of a GGUF file as transformers has it: `config.json` and weights.
///
/// Keys and names of tensors are those of llama.cpp's `llama` and `qwen2` (ggml's `docs/gguf.md` and `gguf-py`). LLaVA's and
/// Mistral's language models are `llama` too.
struct GGUFText {
  let file: GGUFFile
  let architecture: String
  /// Fields of transformers' configuration, without the dtype.
  let fields: [String: JSONValue]
  /// What these say.
  let configuration: TextConfiguration
  /// All weights.
  let weights: [GGUFWeight]
  let vocabulary: GGUFVocabularySource

  private static let families: [String: TextConfiguration.Family] = ["llama": .llama, "qwen2": .qwen2]

  /// Reads and checks all but the weights' numbers.
  ///
  /// - Throws: `TensorFileError`, `ConfigurationError`, `CheckpointError`.
  init(_ file: GGUFFile) throws {
    self.file = file
    let metadata = file.metadata
    let architecture = try metadata.require("general.architecture", metadata.string("general.architecture"))
    guard let family = Self.families[architecture] else {
      throw ConfigurationError.unsupported(
        file: file.path, field: "general.architecture", found: "\"\(architecture)\"",
        known: Self.families.keys.sorted() + ["clip behind --projector"])
    }
    if let count = try metadata.int("split.count"), count > 1 {
      throw ConfigurationError.unsupported(
        file: file.path, field: "split.count", found: "\(count)", known: ["1; join the files with llama-gguf-split --merge"])
    }
    self.architecture = architecture
    let fields = try Self.fields(file, architecture, family)
    let object = JSONObject(file: file.path, prefix: "", fields: fields)
    let text = try ConfigurationReader.text(object, family: family, defaults: false)
    // Nothing that is as large as a number in the file says is made before this.
    try text.validate(file.path, "")
    configuration = text
    let rope = try GGUFRope.scaling(file, architecture, text)
    self.fields = fields.merging(rope.map { ["rope_scaling": $0] } ?? [:]) { $1 }
    weights = try Self.weights(file, text, isPermuted: family == .llama)
    for weight in weights { try weight.check(in: file) }
    let known = Set(weights.map(\.stored)).union([GGUFRope.factors])
    if let other = file.entries.keys.filter({ !known.contains($0) }).min() {
      throw CheckpointError.foreignTensor(tensor: other, file: file.path, architecture: architecture)
    }
    vocabulary = try GGUFVocabularySource(metadata, rows: text.vocabularySize)
  }

  private static func fields(
    _ file: GGUFFile, _ architecture: String, _ family: TextConfiguration.Family
  ) throws -> [String: JSONValue] {
    let metadata = file.metadata
    func key(_ name: String) -> String { "\(architecture).\(name)" }
    func int(_ name: String) throws -> Int { try metadata.require(key(name), metadata.int(key(name))) }
    let table = "token_embd.weight"
    guard let rows = file.entries[table]?.shape.first else { throw TensorFileError.missing(tensor: table, file: file.path) }
    let heads = try int("attention.head_count")
    let epsilon = key("attention.layer_norm_rms_epsilon")
    var fields: [String: JSONValue] = [
      "model_type": .string(family.rawValue), "hidden_act": .string("silu"), "vocab_size": .int(rows),
      "hidden_size": .int(try int("embedding_length")), "num_hidden_layers": .int(try int("block_count")),
      "intermediate_size": .int(try int("feed_forward_length")), "num_attention_heads": .int(heads),
      "num_key_value_heads": .int(try metadata.int(key("attention.head_count_kv")) ?? heads),
      "rms_norm_eps": .double(try metadata.require(epsilon, metadata.double(epsilon))),
      "rope_theta": .double(try metadata.double(key("rope.freq_base")) ?? 10_000),
      "max_position_embeddings": .int(try int("context_length")),
      "tie_word_embeddings": .bool(file.entries["output.weight"] == nil),
    ]
    let turned = try metadata.int(key("rope.dimension_count"))
    if let width = try metadata.int(key("attention.key_length")) ?? turned {
      for (name, other) in [
        ("rope.dimension_count", turned), ("attention.value_length", try metadata.int(key("attention.value_length"))),
      ] {
        guard let other, other != width else { continue }
        throw ConfigurationError.invalid(
          file: file.path, field: key(name), reason: "\(other), and heads of keys are \(width) wide; they must be the same")
      }
      fields["head_dim"] = .int(width)
    }
    if family == .llama {
      fields["attention_bias"] = .bool(file.entries["blk.0.attn_q.bias"] != nil)
      fields["mlp_bias"] = .bool(file.entries["blk.0.ffn_up.bias"] != nil)
    }
    let tokens = "tokenizer.ggml."
    for (field, name) in [("bos_token_id", "bos_token_id"), ("pad_token_id", "padding_token_id")] {
      if let id = try metadata.int(tokens + name) { fields[field] = .int(id) }
    }
    // A turn may end otherwise than a text does, and an answer ends with either.
    let ends = try ["eos_token_id", "eot_token_id"].compactMap { try metadata.int(tokens + $0) }
    if let last = ends.last { fields["eos_token_id"] = Set(ends).count == 1 ? .int(last) : .array(ends.map(JSONValue.int)) }
    return fields
  }

  private static func weights(_ file: GGUFFile, _ text: TextConfiguration, isPermuted: Bool) throws -> [GGUFWeight] {
    let (hidden, inner, width) = (text.hiddenSize, text.intermediateSize, text.headDimension)
    let (queries, keys) = (text.heads * width, text.keyValueHeads * width)
    let table = [text.vocabularySize, hidden]
    var found = [GGUFWeight(name: "decoder.embed_tokens.weight", stored: "token_embd.weight", shape: table)]
    // Of each linear layer llama.cpp's name, ours, its outputs, its inputs, whether it has a bias, and the heads that are turned.
    let linear: [(String, String, Int, Int, Bool, Int?)] = [
      ("attn_q", "self_attn.q_proj", queries, hidden, text.attentionBias, text.heads),
      ("attn_k", "self_attn.k_proj", keys, hidden, text.attentionBias, text.keyValueHeads),
      ("attn_v", "self_attn.v_proj", keys, hidden, text.attentionBias, nil),
      ("attn_output", "self_attn.o_proj", hidden, queries, text.attentionOutputBias, nil),
      ("ffn_gate", "mlp.gate_proj", inner, hidden, text.mlpBias, nil),
      ("ffn_up", "mlp.up_proj", inner, hidden, text.mlpBias, nil),
      ("ffn_down", "mlp.down_proj", hidden, inner, text.mlpBias, nil),
    ]
    // The number of layers comes from the file; it is not gone through where the file does not have so many.
    guard file.entries.count / 9 >= text.layers else {
      throw ConfigurationError.invalid(
        file: file.path, field: "block_count", reason: "\(text.layers) layers, and there are \(file.entries.count) tensors")
    }
    for layer in 0..<text.layers {
      let (from, to) = ("blk.\(layer).", "decoder.layers.\(layer).")
      for (stored, name) in [("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")] {
        found.append(GGUFWeight(name: "\(to)\(name).weight", stored: "\(from)\(stored).weight", shape: [hidden]))
      }
      for (stored, name, outputs, inputs, hasBias, heads) in linear {
        let turned = isPermuted ? heads : nil
        found.append(
          GGUFWeight(
            name: "\(to)\(name).weight", stored: "\(from)\(stored).weight", shape: [outputs, inputs], permutedHeads: turned))
        if hasBias {
          found.append(
            GGUFWeight(name: "\(to)\(name).bias", stored: "\(from)\(stored).bias", shape: [outputs], permutedHeads: turned))
        }
      }
    }
    found.append(GGUFWeight(name: "decoder.norm.weight", stored: "output_norm.weight", shape: [hidden]))
    if !text.tiesEmbeddings {
      found.append(GGUFWeight(name: "decoder.lm_head.weight", stored: "output.weight", shape: table))
    }
    return found
  }
}
