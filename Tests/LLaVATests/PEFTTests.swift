import Foundation
import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Adapters against the `peft` package: what we write it loads, what it writes we load.
@Suite struct PEFTTests {
  private struct Answer: Decodable {
    let complaints: [String]
    let modules: [String]
    let saved: [String]
    let logits: [[Float]]
    let mergedLogits: [[Float]]
    let ownLogits: [[Float]]
  }

  /// The largest distance between our logits and those of the package.
  private func distance(_ model: LLaVAModel, _ request: GenerationRequest, _ others: [[Float]]) throws -> Float {
    let logits = try inference {
      try model.logits(model.splice([request.ids], model.encode([PictureRequest(ids: request.ids, pictures: request.pictures)])))
    }
    let (rows, width, known) = (try logits.array(Float.self), logits.size(1), others[0].count)
    #expect(others.count == logits.size(0) && known >= width)
    return zip(others.indices, others).reduce(0) { largest, row in
      (0..<width).reduce(largest) { max($0, abs(rows[row.0 * width + $1] - row.1[$1])) }
    }
  }

  /// Parts that are trained whole beside adapters in the decoder.
  private static let parts: [Set<ParameterGroup>] = [[.projector, .adapter], [.tower, .projector, .adapter]]
  /// The kinds of names, and of positions, that families have; one that has no second case differs from another in nothing here.
  private static let cases =
    ["tiny", "tiny-next", "tiny-onevision", "tiny-qwen2.5-vl", "tiny-qwen2-audio"].flatMap { preset in
      parts.map { (preset, $0) }
    } + [("tiny-qwen2-vl", parts[1])]

  /// What a preset's tower and projector are called in modules that PEFT saves.
  private func modules(_ c: LLaVAConfiguration, _ trained: Set<ParameterGroup>) -> [String] {
    let hasTower = trained.contains(.tower)
    if c.windowed != nil {
      let blocks = (0..<c.vision.layers).map { "model.visual.blocks.\($0)" }
      return ["model.visual.merger"] + (hasTower ? blocks + ["model.visual.patch_embed"] : [])
    }
    let tower = c.audio == nil ? "model.vision_tower" : "model.audio_tower"
    return ["model.multi_modal_projector"] + (hasTower ? [tower] : [])
  }

  @Test(arguments: cases) func peftLoadsWhatWeWriteAndWeWhatItWrites(
    _ preset: String, _ trained: Set<ParameterGroup>
  ) async throws {
    var configuration = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &configuration)
    let base = try LLaVAModel.random(configuration, seed: 4)
    var options = LoRAOptions()
    (options.rank, options.alpha) = (3, 12)
    options.targets = [.query, .value, .output, .down]
    let model = try base.addingLoRA(options, seed: 1).copied()
    let generator = try Generator(seed: 2)
    for parameter in model.parameters.parameters
    where parameter.name.contains(".lora_B.") || (trained.contains(parameter.group) && parameter.group != .adapter) {
      try parameter.tensor.addInPlace(Tensor.randn(parameter.tensor.shape, generator: generator) * 0.1)
    }
    let scratch = try Scratch()
    func place(_ name: String) -> URL { scratch.url.appending(path: name) }
    try TestModel.write(base, to: place("base"), layout: .huggingFace)
    try TestModel.write(model, to: place("merged"), layout: .huggingFace)
    try AdapterFolder.write(model, to: place("adapter"), whole: trained)
    let shape = configuration.shape(height: 70, width: 90)
    let picture = try PicturePixels(
      views: Tensor.randn(configuration.pixelShape(of: shape), generator: generator), height: 70, width: 90)
    let frame = configuration.windowed.map { ([$0.startTokenID], [$0.endTokenID]) } ?? ([], [])
    let request = GenerationRequest(
      ids: Array(3..<20) + frame.0 + [imagePlaceholderID] + frame.1 + Array(30..<50), pictures: [picture])
    try SafetensorsWriter.write(
      TransformersInputs.items("prompt", [picture], configuration), to: place("inputs.safetensors"))
    var prompt = TransformersManifest.Prompt(name: "prompt", ids: request.ids, greedy: [])
    prompt.tokens = [configuration.layout(of: shape).count]

    let output: String
    do {
      let places = ["base", "merged", "adapter", "theirs", "inputs.safetensors"].map { place($0).path }
      let described = String(decoding: try JSONEncoder().encode(prompt), as: UTF8.self)
      output = try await PythonProgram.run("peft_adapter.py", places + [described])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with peft: \(reason)")
      try Test.cancel("\(reason)")
    }
    let answer = try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
    #expect(answer.complaints == [])
    #expect(answer.modules.count == 4 * base.configuration.text.layers)
    #expect(answer.modules.allSatisfy { $0.hasPrefix("model.language_model.layers.") })
    #expect(answer.saved.sorted() == modules(configuration, trained).sorted())
    #expect(try distance(model, request, answer.logits) < 2e-5)
    #expect(try distance(model, request, answer.mergedLogits) < 2e-5)
    #expect(try distance(base, request, answer.logits) > 1e-3)
    // Adapters alone are not the model.
    #expect(try distance(AdapterFolder.read(place("adapter"), into: base), request, answer.logits) < 2e-5)
    try AdapterFolder.write(model, to: place("alone"))
    #expect(try distance(AdapterFolder.read(place("alone"), into: base), request, answer.logits) > 1e-3)

    let theirs = try AdapterFolder.read(place("theirs"), into: base)
    #expect(theirs.lora?.rank == 2 && theirs.lora?.alpha == 5 && theirs.lora?.targets == options.targets)
    #expect(try distance(theirs, request, answer.ownLogits) < 2e-5)
    #expect(try distance(base, request, answer.ownLogits) > 1e-3)
  }
}
