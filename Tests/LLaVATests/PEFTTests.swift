import Foundation
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
    let logits: [[Float]]
    let ownLogits: [[Float]]
  }

  /// The largest distance between our logits and those of the package.
  private func distance(_ model: LLaVAModel, _ ids: [Int], _ others: [[Float]]) throws -> Float {
    let rows = try model.logits(model.splice([ids], features: [[]])).array(Float.self)
    let (width, known) = (rows.count / ids.count, others[0].count)
    #expect(others.count == ids.count && known >= width)
    return zip(others.indices, others).reduce(0) { largest, row in
      (0..<width).reduce(largest) { max($0, abs(rows[row.0 * width + $1] - row.1[$1])) }
    }
  }

  @Test func peftLoadsWhatWeWriteAndWeWhatItWrites() async throws {
    let base = try TestModel.tiny(seed: 4)
    var options = LoRAOptions()
    (options.rank, options.alpha) = (3, 12)
    options.targets = [.query, .value, .output, .down]
    let model = try base.addingLoRA(options, seed: 1)
    let generator = try Generator(seed: 2)
    for parameter in model.parameters.parameters where parameter.name.contains(".lora_B.") {
      try parameter.tensor.copyInPlace(from: Tensor.randn(parameter.tensor.shape, generator: generator) * 0.1)
    }
    let scratch = try Scratch()
    func place(_ name: String) -> URL { scratch.url.appending(path: name) }
    try TestModel.write(base, to: place("base"), layout: .huggingFace)
    try AdapterFolder.write(model, to: place("adapter"))
    let ids = Array(3..<40)
    try JSONEncoder().encode(ids).write(to: place("ids.json"))

    let output: String
    do {
      output = try await PythonProgram.run(
        "peft_adapter.py", [place("base").path, place("adapter").path, place("theirs").path, place("ids.json").path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with peft: \(reason)")
      try Test.cancel("\(reason)")
    }
    let answer = try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
    #expect(answer.complaints == [])
    #expect(answer.modules.count == 4 * base.configuration.text.layers)
    #expect(answer.modules.allSatisfy { $0.hasPrefix("model.language_model.layers.") })
    #expect(try distance(model, ids, answer.logits) < 2e-5)
    #expect(try distance(base, ids, answer.logits) > 1e-3)

    let theirs = try AdapterFolder.read(place("theirs"), into: base)
    #expect(theirs.lora?.rank == 2 && theirs.lora?.alpha == 5 && theirs.lora?.targets == options.targets)
    #expect(try distance(theirs, ids, answer.ownLogits) < 2e-5)
    #expect(try distance(base, ids, answer.ownLogits) > 1e-3)
  }
}
