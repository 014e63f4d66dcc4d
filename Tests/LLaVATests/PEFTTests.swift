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

  /// Adapters in the decoder, and the projector or the tower as well trained whole.
  @Test(arguments: [[.projector, .adapter], [.tower, .projector, .adapter]] as [Set<ParameterGroup>])
  func peftLoadsWhatWeWriteAndWeWhatItWrites(_ trained: Set<ParameterGroup>) async throws {
    let base = try TestModel.tiny(seed: 4)
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
    let (vision, before, after) = (base.configuration.vision, Array(3..<20), Array(30..<50))
    let images = try Tensor.randn([1, 3, vision.imageSize, vision.imageSize], generator: generator)
    let request = try GenerationRequest(ids: before + [imagePlaceholderID] + after, pictures: PicturePixels.each(images))
    let expanded: [Int] = before + Array(repeating: base.configuration.imageTokenID, count: vision.tokens) + after
    let ids = try Tensor(expanded, [1, expanded.count])
    try SafetensorsWriter.write(
      [SafetensorsItem("ids", ids), SafetensorsItem("pixels", images)], to: place("inputs.safetensors"))

    let output: String
    do {
      output = try await PythonProgram.run(
        "peft_adapter.py", ["base", "merged", "adapter", "theirs", "inputs.safetensors"].map { place($0).path })
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with peft: \(reason)")
      try Test.cancel("\(reason)")
    }
    let answer = try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
    #expect(answer.complaints == [])
    #expect(answer.modules.count == 4 * base.configuration.text.layers)
    #expect(answer.modules.allSatisfy { $0.hasPrefix("model.language_model.layers.") })
    let saved = ["model.multi_modal_projector"] + (trained.contains(.tower) ? ["model.vision_tower"] : [])
    #expect(answer.saved.sorted() == saved)
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
