import Foundation
import Language
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Checkpoints made of GGUF files, against the models that transformers had before; see Tests/Fixtures/gguf/make_gguf.py.
@Suite struct GGUFTests {
  private struct Expected: Decodable {
    struct Case: Decodable {
      let text: String
      let ids: [Int]
    }
    let cases: [Case]
    let sizes: [String: [String: Int]]
    let visualTokens: [Float]

    init() throws {
      self = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: GGUFTests.golden("expected.json")))
    }
  }

  private static func golden(_ name: String) -> URL { Fixtures.bundled("gguf/" + name) }

  /// Weights in float32 by the model's own names.
  private static func weights(_ names: some Collection<String>, _ read: (String) throws -> Tensor) throws -> [String: Tensor] {
    try names.reduce(into: [:]) { found, name in
      if let own = KeyNames.own(name) { found[own] = try read(name).to(.float32) }
    }
  }

  private static func original(_ file: String) throws -> [String: Tensor] {
    let file = try SafetensorsFile(golden(file))
    return try weights(file.entries.keys) { try file.tensor($0) }
  }

  private static func written(_ folder: URL) throws -> [String: Tensor] {
    let folder = try WeightFolder(folder)
    return try weights(folder.entries.keys) { try folder.tensor($0) }
  }

  private func expectSame(_ found: Tensor?, _ wanted: Tensor, _ name: String) throws {
    let found = try #require(found, "\(name)")
    #expect(found.shape == wanted.shape, "\(name)")
    #expect(try (found - wanted).abs().max().item() == 0, "\(name)")
  }

  @Test func aLanguageModelAlone() throws {
    let scratch = try Scratch()
    let place = scratch.url.appending(path: "made")
    let model = try GGUFCheckpoint(Self.golden("llama.gguf"))
    #expect(model.dtype == .float16 && model.note?.contains("--projector") == true)
    try model.write(to: place, dtype: .float32)
    let (found, original) = (try Self.written(place), try Self.original("llava.safetensors"))
    let wanted = original.filter { $0.key.hasPrefix("decoder.") }
    #expect(found.keys.sorted() == wanted.keys.sorted() && wanted.count == 21)
    for (name, tensor) in wanted { try expectSame(found[name], tensor, name) }

    let fields = try JSONObject(contentsOf: place.appending(path: "config.json"))
    for (name, size) in try Expected().sizes["text"] ?? [:] { #expect(try fields.int(name) == size, "\(name)") }
    #expect(try fields.double("rms_norm_eps") == 1e-5 && fields.double("rope_theta") == 50_000 && fields.int("head_dim") == 4)
    #expect(try fields.strings("architectures") == ["LlamaForCausalLM"] && fields.bool("tie_word_embeddings") == false)
    #expect(try fields.ints("eos_token_id") == [2] && fields.int("bos_token_id") == 1 && fields.int("pad_token_id") == 0)
    #expect(try fields.string("torch_dtype") == "float32")
    let names = try WeightFolder(place).entries.keys
    #expect(names.contains("model.layers.1.mlp.up_proj.weight") && names.contains("lm_head.weight"))

    let tokenizer = try TokenizerLoader.load(from: place)
    for example in try Expected().cases {
      #expect(try tokenizer.encode(example.text, addSpecialTokens: true) == example.ids, "\(example.text.debugDescription)")
    }
    #expect(tokenizer.eosTokenID == 2 && tokenizer.bosTokenID == 1)
    #expect(try ChatTemplateFile.read(from: place)?.source.contains("<|im_start|>{{ m['role'] }}\n") == true)
    #expect(throws: ConfigurationError.self) { try CheckpointReader(place) }
  }

  @Test func aLLaVAOfTwoFiles() throws {
    let scratch = try Scratch()
    let place = scratch.url.appending(path: "made")
    let model = try GGUFCheckpoint(Self.golden("llama.gguf"), projector: Self.golden("mmproj.gguf"))
    #expect(model.note == nil)
    try model.write(to: place, dtype: .float32)
    let (found, original) = (try Self.written(place), try Self.original("llava.safetensors"))
    for (name, tensor) in original {
      // A row for the picture's token was added.
      let isTable = name == "decoder.embed_tokens.weight" || name == "decoder.lm_head.weight"
      let own = try isTable ? found[name]?.narrow(0, from: 0, length: tensor.size(0)) : found[name]
      try expectSame(own, tensor, name)
    }
    #expect(found["decoder.embed_tokens.weight"]?.shape == [320, 16])
    #expect(Set(found.keys).subtracting(original.keys) == ["tower.post_layernorm.weight", "tower.post_layernorm.bias"])

    let made = try LLaVAModel.load(from: place)
    let configuration = made.configuration
    #expect(try configuration.imageTokenID == 272 && TokenizerLoader.load(from: place).tokenID(of: "<image>") == 272)
    #expect(configuration.vision.layers == 2 && configuration.vision.computedLayers == 2)
    #expect(configuration.vision.activation == .quickGELU && configuration.eosTokenIDs == [2])
    let settings = try JSONObject(contentsOf: place.appending(path: "preprocessor_config.json"))
    #expect(try settings.doubles("image_mean") == [0.25, 0.5, 0.75] && settings.doubles("image_std") == [0.1, 0.2, 0.3])

    let pixels = try Tensor((0..<3 * 28 * 28).map { Float(sin(Double($0) / 10)) }, [1, 3, 28, 28])
    let wanted = try Tensor(Expected().visualTokens, [1, 4, 16])
    #expect(try (made.visualTokens(pixels) - wanted).abs().max().item() < 1e-4)
  }

  @Test func qwen2KeepsItsRows() throws {
    let scratch = try Scratch()
    let place = scratch.url.appending(path: "made")
    try GGUFCheckpoint(Self.golden("qwen2.gguf")).write(to: place)
    let (found, wanted) = (try Self.written(place), try Self.original("qwen2.safetensors"))
    #expect(found.keys.sorted() == wanted.keys.sorted() && wanted.count == 14)
    for (name, tensor) in wanted { try expectSame(found[name], tensor, name) }
    let fields = try JSONObject(contentsOf: place.appending(path: "config.json"))
    #expect(try fields.strings("architectures") == ["Qwen2ForCausalLM"] && fields.bool("tie_word_embeddings") == true)
    #expect(try fields.string("torch_dtype") == "float16" && fields.double("rope_theta") == 1_000_000)
  }

  @Test func aTinyFileWithoutFaultsIsWritten() throws {
    let scratch = try Scratch()
    var made = MadeGGUF.tiny()
    made.add("llama.rope.scaling.type", "linear")
    made.add("llama.rope.scaling.factor", 4 as Float)
    let place = scratch.url.appending(path: "made")
    try GGUFCheckpoint(made.write(to: scratch.url)).write(to: place)
    let fields = try JSONObject(contentsOf: place.appending(path: "config.json"))
    let scaling = try #require(try fields.object("rope_scaling"))
    #expect(try scaling.string("rope_type") == "linear" && scaling.double("factor") == 4)
    #expect(try fields.string("torch_dtype") == "float32" && fields.bool("tie_word_embeddings") == true)
    // Of four rows of a head, the pairs that are turned together stand in the file one after the other.
    let rows = try #require(Self.written(place)["decoder.layers.0.self_attn.q_proj.weight"])
    #expect(try rows.narrow(1, from: 0, length: 1).reshaped([-1]).array(Float.self) == [0, 2, 1, 3, 4, 6, 5, 7])
    #expect(throws: CheckpointError.exists(place.path)) {
      try GGUFCheckpoint(made.write(to: scratch.url)).write(to: place)
    }
  }

  /// What Llama 3.1's converter leaves of the settings.
  @Test func factorsOfLlama3AreFound() throws {
    let scratch = try Scratch()
    func scaling(_ factors: [Float]) throws -> JSONObject? {
      var made = MadeGGUF.tiny(heads: 1)
      made.keys.append(("llama.rope.freq_base", 6, MadeGGUF.bytes(Float(500_000).bitPattern)))
      made.add("rope_freqs.weight", shape: [factors.count], factors)
      let place = scratch.url.appending(path: UUID().uuidString)
      try GGUFCheckpoint(made.write(to: scratch.url)).write(to: place)
      return try JSONObject(contentsOf: place.appending(path: "config.json")).object("rope_scaling")
    }
    // Wavelengths of 6, 167, 4443 and 118141 positions: the first two below 2048, the last above 8192.
    let blend = (8192 / (2 * Double.pi * 500_000.0.squareRoot()) - 1) / 3
    let found = try #require(try scaling([1, 1, Float(1 / ((1 - blend) / 8 + blend)), 8]))
    #expect(try found.string("rope_type") == "llama3" && found.int("original_max_position_embeddings") == 8192)
    #expect(try found.double("factor") == 8 && found.double("low_freq_factor") == 1 && found.double("high_freq_factor") == 4)
    #expect(try scaling([1, 1, 1, 1]) == nil)
    #expect(throws: ConfigurationError.self) { try scaling([1, 1, 5, 8]) }
    #expect(throws: CheckpointError.self) { try scaling([1, 1, 8]) }
  }
}
