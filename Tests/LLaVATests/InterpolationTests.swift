import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Models between two versions of one model, against the mean worked out number by number.
@Suite struct InterpolationTests {
  private let scratch: Scratch
  private func place(_ name: String) -> URL { scratch.url.appending(path: name) }

  init() throws {
    scratch = try Scratch()
    try TestModel.write(TestModel.tiny(seed: 1), to: scratch.url.appending(path: "tuned"))
    // The other one in another layout and precision: weights are matched by what they are.
    let base = scratch.url.appending(path: "base")
    try TestModel.write(TestModel.tiny(seed: 2, dtype: .bfloat16), to: base, layout: .original)
    // As other writers leave it: without the norm that nothing computes.
    let url = base.appending(path: "model.safetensors")
    let file = try SafetensorsFile(url)
    let names = file.entries.keys.sorted().filter { !$0.contains("post_layernorm") }
    let items = try names.map { SafetensorsItem($0, try file.tensor($0)) }
    #expect(names.count < file.entries.count)
    try FileManager.default.removeItem(at: url)
    try SafetensorsWriter.write(items, to: url)
  }

  private func numbers(_ reader: CheckpointReader) throws -> [String: [Float]] {
    try Dictionary(
      uniqueKeysWithValues: reader.weights.map {
        ($0.name, try reader.parameter($0.name, shape: $0.shape).to(.float32).array(Float.self))
      })
  }

  @Test(arguments: [0, 0.3, 1]) func everyWeightIsTheMean(_ weight: Double) throws {
    let (tuned, base) = (try CheckpointReader(place("tuned")), try CheckpointReader(place("base")))
    try CheckpointWriter.interpolate(tuned, base, weight: weight, to: place("between"), layout: .huggingFace)
    let found = try CheckpointReader(place("between"))
    #expect(found.layout == .huggingFace && found.configuration == tuned.configuration)
    let (a, b, between) = (try numbers(tuned), try numbers(base), try numbers(found))
    #expect(a.keys.sorted() == between.keys.sorted() && a.count > 50)
    for (name, values) in between {
      // The norm that nothing computes is missing in the other file.
      if name.hasPrefix(KeyNames.unusedNorm) {
        #expect(values == a[name] && b[name] == nil)
        continue
      }
      let (first, second) = (try #require(a[name]), try #require(b[name]))
      #expect(values.count == first.count && values.count == second.count)
      let isMean = values.indices.allSatisfy {
        let wanted = weight * Double(first[$0]) + (1 - weight) * Double(second[$0])
        return abs(Double(values[$0]) - wanted) <= 1e-6 * max(1, abs(wanted))
      }
      #expect(isMean, "\(name)")
    }
    #expect(FileManager.default.fileExists(atPath: place("between").appending(path: "tokenizer.json").path))
  }

  @Test func precisionIsThatOfTheFirstOrAsAsked() throws {
    let (tuned, base) = (try CheckpointReader(place("tuned")), try CheckpointReader(place("base")))
    try CheckpointWriter.interpolate(base, tuned, weight: 0.5, to: place("short"), layout: .original)
    #expect(try CheckpointReader(place("short")).weights.allSatisfy { $0.dtype == .bfloat16 })
    try CheckpointWriter.interpolate(base, tuned, weight: 0.5, to: place("long"), layout: .original, dtype: .float32)
    #expect(try CheckpointReader(place("long")).weights.allSatisfy { $0.dtype == .float32 })
  }

  @Test func modelsThatAreNotAlikeAreRefused() throws {
    var configuration = try TestModel.tiny().configuration
    configuration.text.layers += 1
    try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: place("deeper"))
    let (tuned, deeper) = (try CheckpointReader(place("tuned")), try CheckpointReader(place("deeper")))
    for (first, second) in [(tuned, deeper), (deeper, tuned)] {
      let error = #expect(throws: CheckpointError.self) {
        try CheckpointWriter.interpolate(first, second, weight: 0.5, to: place("none"), layout: .huggingFace)
      }
      #expect(error?.description.contains("both must be versions of one model") == true)
    }
    #expect(!FileManager.default.fileExists(atPath: place("none").path))
  }
}
