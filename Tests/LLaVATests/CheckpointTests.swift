import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

@Suite struct CheckpointTests {
  private func weights(_ model: LLaVAModel) throws -> [String: [Float]] {
    try Dictionary(
      uniqueKeysWithValues: model.parameters.parameters.map {
        ($0.name, try $0.tensor.to(.float32).reshaped([-1]).array(Float.self))
      })
  }

  private func configuration(_ change: (inout LLaVAConfiguration) -> Void) throws -> LLaVAConfiguration {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    change(&configuration)
    return configuration
  }

  private static let variants: [(String, @Sendable (inout LLaVAConfiguration) -> Void)] = [
    ("plain", { _ in }), ("linear", { $0.projector.layers = 1 }), ("mlp3x_gelu", { $0.projector.layers = 3 }),
    ("tied", { $0.text.tiesEmbeddings = true }),
    (
      "qwen2",
      {
        $0.text.family = .qwen2
        $0.text.attentionBias = true
        $0.text.ropeTheta = 1_000_000
      }
    ),
    (
      "llama3",
      {
        $0.text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 64)
        $0.eosTokenIDs = [2, 7]
      }
    ),
    (
      "biased",
      {
        $0.text.mlpBias = true; $0.text.attentionBias = true; $0.text.attentionOutputBias = true
      }
    ),
    (
      "tower",
      {
        $0.vision.activation = .gelu
        $0.vision.featureLayer = -1
        $0.vision.featureSelection = .full
      }
    ),
  ]

  @Test(arguments: variants.indices, CheckpointLayout.allCases)
  func whatIsWrittenIsReadBack(_ index: Int, _ layout: CheckpointLayout) throws {
    let (name, change) = Self.variants[index]
    let scratch = try Scratch()
    let model = try LLaVAModel.random(configuration(change), seed: UInt64(index))
    let folder = scratch.url.appending(path: name)
    if layout == .huggingFace, model.configuration.projector.layers != 2 {
      let error = #expect(throws: ConfigurationError.self) { try CheckpointWriter.write(model, to: folder, layout: layout) }
      #expect(error?.description.contains("layout original") == true)
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
      return
    }
    try CheckpointWriter.write(model, to: folder, layout: layout, shardBytes: index % 2 == 0 ? 100_000 : 10_000_000)
    let back = try LLaVAModel.load(from: folder)
    #expect(back.configuration.vision == model.configuration.vision)
    #expect(back.configuration.text == model.configuration.text)
    #expect(back.configuration.projector == model.configuration.projector)
    #expect(back.configuration.eosTokenIDs == model.configuration.eosTokenIDs)
    #expect(try weights(back) == weights(model))
    #expect(throws: CheckpointError.exists(folder.path)) { try CheckpointWriter.write(model, to: folder, layout: layout) }
  }

  @Test(arguments: GoldenModelTests.layouts) func conversionKeepsEveryWeight(_ name: String) throws {
    let scratch = try Scratch()
    let source = try CheckpointReader(Fixtures.url("model/\(name)"))
    let original = try LLaVAModel(source.configuration, from: source)
    for layout in CheckpointLayout.allCases {
      let folder = scratch.url.appending(path: layout.rawValue)
      try CheckpointWriter.convert(source, to: folder, layout: layout, dtype: .float32, shardBytes: 200_000)
      let converted = try LLaVAModel.load(from: folder)
      let (found, expected) = try (weights(converted), weights(original))
      for (name, values) in expected {
        // Rows of padding may be added to the vocabulary where a layout wants them.
        #expect(found[name].map { Array($0.prefix(values.count)) } == values, "\(name)")
      }
    }
  }

  /// The same weights under the names that transformers used up to 4.51, from 4.52 on, and from 5.6 on.
  @Test func everyGenerationOfNamesLoads() throws {
    let expected = try weights(LLaVAModel.load(from: Fixtures.url("model/hf_old"), dtype: .float32))
    let source = try WeightFolder(Fixtures.url("model/hf_old"))
    let generations: [[(String, String)]] = [
      [],
      [
        ("language_model.model.", "model.language_model."), ("language_model.lm_head.", "lm_head."),
        ("multi_modal_projector.", "model.multi_modal_projector."), ("vision_tower.", "model.vision_tower."),
      ],
      [
        ("language_model.model.", "model.language_model."), ("language_model.lm_head.", "lm_head."),
        ("multi_modal_projector.", "model.multi_modal_projector."), ("vision_tower.vision_model.", "model.vision_tower."),
      ],
    ]
    for renamed in generations {
      let scratch = try Scratch()
      let items = try source.entries.keys.sorted().map { name in
        let rule = renamed.first { name.hasPrefix($0.0) }
        return SafetensorsItem(rule.map { $0.1 + name.dropFirst($0.0.count) } ?? name, try source.tensor(name))
      }
      try SafetensorsWriter.write(items, toFolder: scratch.url)
      for name in ["config.json", "generation_config.json"] {
        try FileManager.default.copyItem(at: Fixtures.url("model/hf_old/\(name)"), to: scratch.url.appending(path: name))
      }
      #expect(try weights(LLaVAModel.load(from: scratch.url, dtype: .float32)) == expected)
    }
  }

  /// As downloaded from the hub: the tower under a hub name, its folder beside the checkpoint.
  @Test func theTowerIsFoundBesideTheCheckpoint() throws {
    let scratch = try Scratch()
    let manager = FileManager.default
    let folder = scratch.url.appending(path: "llava")
    try manager.copyItem(at: Fixtures.url("model/official"), to: folder)
    let config = folder.appending(path: "config.json")
    // The golden data may be of a folder that nobody may write to.
    try manager.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
    var fields = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: config)) as? [String: Any])
    fields["mm_vision_tower"] = "someone/clip-small"
    try JSONSerialization.data(withJSONObject: fields).write(to: config, options: .atomic)
    #expect(throws: ConfigurationError.self) { try CheckpointReader(folder) }
    try manager.copyItem(at: Fixtures.url("model/clip"), to: scratch.url.appending(path: "clip-small"))
    let found = try LLaVAModel.load(from: folder, dtype: .float32)
    #expect(try weights(found) == weights(LLaVAModel.load(from: Fixtures.url("model/official"), dtype: .float32)))
  }

  @Test func namesOfAllGenerationsAreUnderstood() {
    let decoder = "layers.3.self_attn.q_proj.weight"
    let tower = "encoder.layers.1.mlp.fc1.bias"
    let table: [(String, String?)] = [
      ("language_model.model.\(decoder)", "decoder.\(decoder)"), ("model.language_model.\(decoder)", "decoder.\(decoder)"),
      ("model.\(decoder)", "decoder.\(decoder)"), ("language_model.lm_head.weight", "decoder.lm_head.weight"),
      ("lm_head.weight", "decoder.lm_head.weight"), ("model.embed_tokens.weight", "decoder.embed_tokens.weight"),
      ("model.language_model.norm.weight", "decoder.norm.weight"),
      ("vision_tower.vision_model.\(tower)", "tower.\(tower)"), ("model.vision_tower.vision_model.\(tower)", "tower.\(tower)"),
      ("model.vision_tower.\(tower)", "tower.\(tower)"), ("vision_tower.\(tower)", "tower.\(tower)"),
      ("model.vision_tower.vision_tower.vision_model.\(tower)", "tower.\(tower)"), ("vision_model.\(tower)", "tower.\(tower)"),
      ("multi_modal_projector.linear_1.weight", "projector.0.weight"),
      ("model.multi_modal_projector.linear_2.bias", "projector.1.bias"), ("model.mm_projector.0.weight", "projector.0.weight"),
      ("mm_projector.2.bias", "projector.1.bias"), ("model.mm_projector.4.bias", "projector.2.bias"),
      ("model.mm_projector.weight", "projector.0.weight"), ("model.mm_projector.1.weight", nil),
      ("model.layers.0.self_attn.rotary_emb.inv_freq", nil), ("vision_model.embeddings.position_ids", nil),
      ("text_model.encoder.layers.0.mlp.fc1.weight", nil), ("visual_projection.weight", nil), ("logit_scale", nil),
      ("multi_modal_projector.linear_x.weight", nil), ("", nil), ("multi_modal_projector.linear_\(Int.max).weight", nil),
      ("mm_projector.\(Int.max - 1).bias", nil), ("mm_projector.-2.bias", nil),
    ]
    for (file, own) in table { #expect(KeyNames.own(file) == own, "\(file)") }
    for layout in CheckpointLayout.allCases {
      for own in table.compactMap(\.1) { #expect(KeyNames.own(KeyNames.file(own, layout)) == own, "\(own)") }
    }
  }

  /// LLaMA-2's 6,738,415,616 with the hub's 64 further vocabulary rows, CLIP ViT-L/14-336's vision half without its unused last
  /// projection, and the projector of 20.98 million.
  @Test func presetsHaveTheSizesOfTheRealModels() throws {
    struct Counter: ParameterSource {
      func contains(_ name: String) -> Bool { true }
      func parameter(_ name: String, shape: [Int]) throws -> Tensor { try Tensor.zeros([1]).expanded(shape) }
    }
    let store = try LLaVAModel(.preset("llava-1.5-7b"), from: Counter()).parameters
    #expect(store.count(of: .decoder) == 6_738_415_616 + 2 * 64 * 4096)
    #expect(store.count(of: .tower) == 303_507_456)
    #expect(store.count(of: .projector) == 1024 * 4096 + 4096 + 4096 * 4096 + 4096)
    #expect(store.count() == store.parameters.reduce(0) { $0 + $1.tensor.count })
    for name in LLaVAConfiguration.presetNames {
      let configuration = try LLaVAConfiguration.preset(name)
      if configuration.windowed != nil { continue }
      if configuration.audio != nil {
        // As long as 30 seconds, or one.
        #expect(configuration.mostTokens(isAlone: true) == (name.hasPrefix("tiny") ? 25 : 750), "\(name)")
        continue
      }
      let tokens = name.hasPrefix("tiny") ? 16 : name.contains("onevision") ? 729 : 576
      #expect(configuration.vision.tokens == tokens, "\(name)")
    }
    #expect(throws: ConfigurationError.self) { try LLaVAConfiguration.preset("huge") }
  }

  /// The chosen feature layer alone decides: a tower that ends there gives the same features.
  @Test(arguments: [-1, -2, -3, 0, 1, 2]) func layersAfterTheChosenOneDoNotMatter(_ layer: Int) throws {
    let whole = try configuration { $0.vision.featureLayer = layer }
    let depth = layer < 0 ? 3 + 1 + layer : layer
    let pixels = try Tensor.randn([2, 3, 56, 56], generator: Generator(seed: 9))
    let model = try LLaVAModel.random(whole, seed: 5)
    let byName = Dictionary(uniqueKeysWithValues: model.parameters.parameters.map { ($0.name, $0.tensor) })
    struct Source: ParameterSource {
      let tensors: [String: Tensor]
      func contains(_ name: String) -> Bool { tensors[name] != nil }
      func parameter(_ name: String, shape: [Int]) throws -> Tensor { try #require(tensors[name]) }
    }
    var short = whole.vision
    short.layers = depth
    short.featureLayer = depth
    let tower = try VisionTower(ParameterScope(Source(tensors: byName)) / "tower", short)
    let other = try #require(model.encoder as? WholePictureEncoder).tower
    #expect(try (tower(pixels) - other(pixels)).abs().max().item() == 0)
    #expect(other.configuration.computedLayers == depth)
  }
}
