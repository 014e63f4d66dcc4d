import Foundation
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

extension LLaVAModel {
  /// The same model with weights of its own.
  func copied() throws -> LLaVAModel {
    struct Copies: ParameterSource {
      let store: ParameterStore
      func contains(_ name: String) -> Bool { store[name] != nil }
      func parameter(_ name: String, shape: [Int]) throws -> Tensor { try #require(store[name]).tensor.copy() }
    }
    return try LLaVAModel(configuration, from: Copies(store: parameters), lora: lora)
  }
}

/// Low-rank adapters against the same change made to the weights themselves.
@Suite struct LoRATests {
  private let base: LLaVAModel
  private let options: LoRAOptions

  init() throws {
    base = try TestModel.tiny(seed: 4)
    var options = LoRAOptions()
    (options.rank, options.alpha) = (3, 12)
    options.targets = [.query, .value, .output, .down]
    self.options = options
  }

  /// A model whose adapters do something.
  private func trained() throws -> LLaVAModel {
    let model = try base.addingLoRA(options, seed: 1)
    let generator = try Generator(seed: 2)
    for parameter in model.parameters.parameters where parameter.name.contains(".lora_B.") {
      try parameter.tensor.copyInPlace(from: Tensor.randn(parameter.tensor.shape, generator: generator) * 0.1)
    }
    return model
  }

  private func logits(_ model: LLaVAModel) throws -> Tensor {
    try model.logits(model.splice([Array(3..<40)], features: [[]]))
  }

  @Test func newAdaptersChangeNothing() throws {
    let model = try base.addingLoRA(options)
    let adapters = model.parameters.parameters.filter { $0.group == .adapter }
    #expect(adapters.count == 2 * 4 * base.configuration.text.layers)
    #expect(Set(adapters.map { String($0.name.split(separator: ".")[4]) }) == ["q_proj", "v_proj", "o_proj", "down_proj"])
    #expect(model.parameters.parameters.count == base.parameters.parameters.count + adapters.count)
    #expect(try logits(model).array(Float.self) == logits(base).array(Float.self))
    let first = try #require(model.parameters["decoder.layers.0.self_attn.q_proj.lora_A.weight"]).tensor
    let bound = 1 / Double(first.size(1)).squareRoot()
    #expect(try first.abs().max().item() <= bound && first.abs().max().item() > bound / 2)
  }

  @Test func adaptersAreTheirProductInTheWeights() throws {
    let model = try trained()
    let merged = try model.mergingLoRA()
    #expect(merged.lora == nil)
    #expect(merged.parameters.parameters.map(\.name) == base.parameters.parameters.map(\.name))
    #expect(try (logits(model) - logits(base)).abs().max().item() > 1e-3)
    #expect(try (logits(model) - logits(merged)).abs().max().item() < 2e-5)
    #expect(try merged.mergingLoRA().parameters.parameters.count == merged.parameters.parameters.count)
  }

  /// dB = s · dW · Aᵀ and dA = s · Bᵀ · dW, from the gradient of the merged weight; recomputed or not.
  @Test(arguments: [false, true]) func gradientsAreThoseOfTheProduct(_ recomputes: Bool) throws {
    let model = try trained()
    let merged = try model.mergingLoRA()
    for parameter in merged.parameters.parameters { try parameter.tensor.requiringGradient() }
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient(parameter.group == .adapter) }
    for m in [model, merged] {
      let batch = try m.splice([Array(3..<40)], features: [[]])
      let layers = 0..<m.configuration.text.layers
      try m.decoder.run(layers: layers, batch, recomputing: recomputes).hidden.power(2).sum().backward()
    }
    #expect(try model.parameters.parameters.allSatisfy { try ($0.tensor.gradient() == nil) == ($0.group != .adapter) })
    for layer in 0..<base.configuration.text.layers {
      let name = "decoder.layers.\(layer).self_attn.o_proj."
      func tensor(_ m: LLaVAModel, _ leaf: String) throws -> Tensor { try #require(m.parameters[name + leaf]).tensor }
      let change = try #require(try tensor(merged, "weight").gradient())
      let (a, b) = (try tensor(model, "lora_A.weight"), try tensor(model, "lora_B.weight"))
      try withoutGradient {
        for (found, expected) in [
          (try #require(try b.gradient()), try change.matmul(a.transposed(0, 1)) * 4),
          (try #require(try a.gradient()), try b.transposed(0, 1).matmul(change) * 4),
        ] { #expect(try (found - expected).abs().max().item() < 1e-4 * expected.abs().max().item()) }
      }
    }
  }

  @Test(arguments: CheckpointLayout.allCases) func foldersHoldWhatWasWritten(_ layout: CheckpointLayout) throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "adapters")
    let model = try trained()
    try AdapterFolder.write(model, to: folder, layout: layout, base: "somewhere")
    #expect(throws: CheckpointError.self) { try AdapterFolder.write(model, to: folder, layout: layout) }
    let again = try AdapterFolder.read(folder, into: base)
    #expect(again.lora == model.lora)
    #expect(try logits(again).array(Float.self) == logits(model).array(Float.self))
    let names = try SafetensorsFile(folder.appending(path: "adapter_model.safetensors")).entries.keys
    let decoder = layout == .huggingFace ? "model.language_model" : "model"
    #expect(names.contains("base_model.model.\(decoder).layers.0.self_attn.q_proj.lora_A.weight"))
    // A whole checkpoint holds the change.
    let whole = scratch.url.appending(path: "whole")
    try TestModel.write(model, to: whole, layout: layout)
    #expect(
      try (logits(LLaVAModel.load(from: whole)).narrow(1, from: 0, length: 256) - logits(model).narrow(1, from: 0, length: 256))
        .abs().max().item() < 2e-5)
  }

  /// What was trained beside the adapters is in the folder: the base with it is the model.
  @Test(arguments: CheckpointLayout.allCases, [[.projector], [.projector, .tower, .adapter]] as [Set<ParameterGroup>])
  func partsTrainedWholeComeAlong(_ layout: CheckpointLayout, _ whole: Set<ParameterGroup>) throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "adapters")
    let model = try trained().copied()
    let generator = try Generator(seed: 3)
    for parameter in model.parameters.parameters where whole.contains(parameter.group) && parameter.group != .adapter {
      try parameter.tensor.addInPlace(Tensor.randn(parameter.tensor.shape, generator: generator) * 0.1)
    }
    try AdapterFolder.write(model, to: folder, layout: layout, whole: whole)
    let again = try AdapterFolder.read(folder, into: base)
    for parameter in model.parameters.parameters {
      let other = try #require(again.parameters[parameter.name])
      #expect(try other.tensor.array(Float.self) == parameter.tensor.array(Float.self), "\(parameter.name)")
      let isBase = try base.parameters[parameter.name]?.tensor.array(Float.self) == other.tensor.array(Float.self)
      #expect(isBase == (parameter.group != .adapter && !whole.contains(parameter.group)), "\(parameter.name)")
    }

    // Half a part, or none of one that the folder claims to hold, is not what was trained.
    let url = folder.appending(path: "adapter_model.safetensors")
    let file = try SafetensorsFile(url)
    let items = try file.entries.keys.sorted().map { SafetensorsItem($0, try file.tensor($0)) }
    let projector = items.filter { $0.name.contains("projector") }
    for missing in [projector, [projector[1]]] {
      try SafetensorsWriter.write(items.filter { item in !missing.contains { $0.name == item.name } }, to: url)
      let error = #expect(throws: CheckpointError.self) { try AdapterFolder.read(folder, into: base) }
      #expect(error?.description.contains("projector") == true)
    }
    let nan = SafetensorsItem(projector[0].name, try projector[0].load() * .nan)
    try SafetensorsWriter.write(items.filter { $0.name != nan.name } + [nan], to: url)
    let error = #expect(throws: CheckpointError.self) { try AdapterFolder.read(folder, into: base) }
    #expect(error?.description.contains("NaN") == true)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let scratch = try Scratch()
    #expect(throws: LoRAError.none) { try AdapterFolder.write(base, to: scratch.url.appending(path: "none")) }
    #expect(throws: LoRAError.alreadyThere) { try trained().addingLoRA(options) }
    for change in [{ $0.rank = 0 }, { $0.alpha = -1 }, { $0.targets = [] }] as [(inout LoRAOptions) -> Void] {
      var options = options
      change(&options)
      #expect(throws: LoRAError.self) { try base.addingLoRA(options) }
    }
    let folder = scratch.url.appending(path: "adapters")
    try AdapterFolder.write(trained(), to: folder)
    let url = folder.appending(path: "adapter_config.json")
    let config = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
    for (field, value) in [
      ("peft_type", "IA3"), ("use_dora", true), ("use_rslora", true), ("alpha_pattern", ["q_proj": 3]), ("bias", "all"),
      ("r", "three"), ("lora_alpha", NSNull()), ("modules_to_save", "lm_head"), ("modules_to_save", [3]),
    ] as [(String, Any)] {
      try JSONSerialization.data(withJSONObject: config.merging([field: value]) { $1 }).write(to: url)
      let error = #expect(throws: ConfigurationError.self) { try AdapterFolder.read(folder, into: base) }
      #expect(error?.description.contains(field) == true)
    }
    try JSONSerialization.data(withJSONObject: config.merging(["r": 5]) { $1 }).write(to: url)
    #expect(throws: CheckpointError.self) { try AdapterFolder.read(folder, into: base) }
  }
}
