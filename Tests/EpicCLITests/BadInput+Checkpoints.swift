import Foundation
import Torch

/// What can be wrong with a checkpoint's folder.
extension BadInput {
  static let folders = [
    BadInput(name: "no folder", code: 1, says: ["/absent", "no such folder"], arguments: { ["inspect", $0.path + "/absent"] }),
    BadInput(name: "a file for a folder", code: 1, says: ["house.png"], arguments: { ["inspect", $0.path + "/house.png"] }),
    BadInput(
      name: "an empty folder", code: 1, says: ["config.json", "no such file"], arguments: { ["inspect", $0.path + "/empty"] },
      change: { try FileManager.default.createDirectory(at: $0.appending(path: "empty"), withIntermediateDirectories: false) }),
    BadInput(
      name: "a GGUF file", code: 1, says: ["small.gguf", "epic convert"], arguments: { generate($0, model: "small.gguf") },
      change: { try Data("GGUF".utf8).write(to: $0.appending(path: "small.gguf")) }),
    BadInput(
      name: "a folder with a GGUF file", code: 1, says: ["model/small.gguf", "epic convert"], arguments: generate,
      change: {
        try FileManager.default.moveItem(at: $0.appending(path: "model/config.json"), to: $0.appending(path: "model/small.gguf"))
      }),
    file(
      "model/config.json", Data(#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000}"#.utf8),
      "config.json", "\"llama\"", "sees no pictures", "LlavaForConditionalGeneration"),
    file("model/config.json", Data(), "config.json", "JSON"), file("model/config.json", Data("[1]".utf8), "config.json", "JSON"),
    file("model/config.json", Data("{\"model_type\": ".utf8), "config.json", "JSON"),
    file("model/config.json", Data(repeating: UInt8(ascii: "["), count: 100_000), "config.json", "JSON"),
    file("model/config.json", Data([0xff, 0xfe, 0x00]), "config.json", "JSON"),
    file("model/model.safetensors", nil, "no weights"),
  ]

  static let configurations: [BadInput] = [
    field("model_type", nil, "no field"), field("model_type", "gpt2", "gpt2", "llava_llama"),
    field("model_type", 7, "expected a string"),
    field("text_config", nil, "no field"), field("vision_config", nil, "no field"),
    field("vision_config", "clip", "expected an object"),
    field("text_config.model_type", "gemma", "gemma", "mistral"),
    field("text_config.hidden_size", "wide", "expected an integer"),
    field("text_config.hidden_size", -64, "-64"), field("text_config.hidden_size", 0, "0"),
    field("text_config.num_attention_heads", 3, "3"), field("text_config.num_hidden_layers", 1 << 40, "1..."),
    field("text_config.num_hidden_layers", 1.5, "expected an integer"), field("text_config.head_dim", 15, "odd"),
    field("text_config.hidden_act", "relu", "silu"), field("text_config.rms_norm_eps", 0, "above 0"),
    field("text_config.rope_scaling", ["rope_type": "yarn", "factor": 2.0] as [String: any Sendable], "rope_type", "llama3"),
    field("text_config.rope_scaling", ["rope_type": "linear"] as [String: any Sendable], "factor"),
    field("vision_config.hidden_act", "tanh", "quick_gelu"), field("vision_config.num_attention_heads", 5, "multiple"),
    field("vision_config.patch_size", 100, "smaller"),
    field("vision_config.model_type", "dinov2", "clip_vision_model"),
    field("vision_feature_layer", 9, "outside"), field("vision_feature_layer", [-2, -5], "several"),
    field("vision_feature_select_strategy", "cls", "default"), field("projector_hidden_act", "relu", "gelu"),
  ]

  static let checkpoints: [BadInput] = [
    weights("one is missing", "up_proj", place: "/model") {
      $0 = $0.filter { $0.key != "language_model.model.layers.2.mlp.up_proj.weight" }
    },
    weights("one of another shape", "linear_1.weight", "[3, 3]", "[64, 32]") {
      $0["multi_modal_projector.linear_1.weight"] = try Tensor.ones([3, 3])
    },
    weights("NaN", "q_proj", "2 NaN") {
      let name = "language_model.model.layers.0.self_attn.q_proj.weight"
      $0[name] = try $0[name]?.copy()
      try $0[name]?.reshaped([-1]).narrow(0, from: 5, length: 2).multiplyInPlace(by: .nan)
    },
    weights("infinite", "norm.weight") {
      try $0["language_model.model.norm.weight"]?.narrow(0, from: 0, length: 1).multiplyInPlace(by: .infinity)
    },
    weights("integers where numbers belong", "lm_head") {
      $0["language_model.lm_head.weight"] = try Tensor.ones([4, 4], .int64)
    },
    BadInput(
      name: "a truncated file", code: 1, says: ["model.safetensors", "truncated"], arguments: inspect,
      change: {
        let url = $0.appending(path: "model/model.safetensors")
        try Data(contentsOf: url).dropLast(1000).write(to: url)
      }),
    file("model/model.safetensors", Data(repeating: 0xff, count: 64), "model.safetensors", "header"),
    file("model/model.safetensors", Data("not safetensors, just some text".utf8), "model.safetensors"),
    file("model/model.safetensors.index.json", Data("{}".utf8), "index.json", "weight_map"),
    file(
      "model/model.safetensors.index.json", Data(#"{"weight_map":{"a":"model-00001-of-00002.safetensors"}}"#.utf8), "model-00001"),
    file("model/model.safetensors.index.json", Data(#"{"weight_map":{"a":"model.safetensors"}}"#.utf8), "tensor named a"),
    BadInput(
      name: "a pickle that is none", code: 1, says: ["pytorch_model.bin"], arguments: inspect,
      change: {
        try FileManager.default.removeItem(at: $0.appending(path: "model/model.safetensors"))
        try Data("junk that is longer than a header".utf8).write(to: $0.appending(path: "model/pytorch_model.bin"))
      }),
    BadInput(
      name: "verify finds NaN", code: 1, says: ["NaN"], arguments: { inspect($0) + ["--verify"] },
      change: { folder in
        try weights("NaN") { try $0["language_model.lm_head.weight"]?.multiplyInPlace(by: .nan) }.change?(folder)
      }),
  ]

  static let tokenizers: [BadInput] = [
    file("model/tokenizer.json", nil, "tokenizer"), file("model/tokenizer.json", Data("{".utf8), "tokenizer.json"),
    file("model/tokenizer.json", Data(#"{"model":{"type":"Unigram","vocab":[]}}"#.utf8), "tokenizer.json", "Unigram"),
    file("model/tokenizer.model", Data("no model".utf8), "tokenizer.model"),
    file(
      "model/preprocessor_config.json", Data(#"{"crop_size":{"height":99,"width":99},"size":99}"#.utf8), "preprocessor_config",
      "99"),
    file("model/preprocessor_config.json", Data(#"{"image_mean":"grey"}"#.utf8), "preprocessor_config", "image_mean"),
    file("model/chat_template.json", Data(#"{"chat_template": 7}"#.utf8), "chat_template.json", "a string"),
    verify("no tokenizer", "tokenizer:", "tokenizer.json") {
      try FileManager.default.removeItem(at: $0.appending(path: "model/tokenizer.json"))
    },
    verify("another tokenizer", "tokenizer:", "embeddings") {
      try edit(
        $0.appending(path: "model/tokenizer.json"), "added_tokens",
        [["id": 30_000, "content": "<more>"] as [String: any Sendable]])
    },
    file("model/chat_template.jinja", Data("\n{% include 'x' %}".utf8), "chat_template.jinja", "line 2", "include", "--template"),
    file("model/chat_template.jinja", Data("{% if %}".utf8), "chat_template.jinja", "line 1"),
    verify("a chat template without the user's words", "template:", "chat_template.jinja", "--template") {
      try Data("{{ bos_token }}".utf8).write(to: $0.appending(path: "model/chat_template.jinja"))
    },
    verify("a chat template that cannot be divided", "template:", "chat_template.jinja", "turns") {
      try Data("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}".utf8).write(
        to: $0.appending(path: "model/chat_template.jinja"))
    },
    verify("another processor", "processor:", "crop_size", "99") {
      try Data(#"{"crop_size": 99, "size": 99}"#.utf8).write(to: $0.appending(path: "model/preprocessor_config.json"))
    },
  ]
}
