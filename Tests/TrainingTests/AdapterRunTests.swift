import Foundation
import LLaVA
import Testing
import Torch

@testable import Training

/// Runs that train low-rank adapters.
@Suite struct AdapterRunTests {
  private let keys = ["lora.rank=4", "lora.targets=[q_proj, down_proj]"]

  private func configuration(_ place: RunPlace, _ output: String, _ changes: String...) throws -> TrainingConfiguration {
    try (keys + changes).reduce(try place.configuration(output, steps: 6)) { try $0.changed($1) }
  }

  @Test func adaptersAndTheProjectorAreAllThatChanges() throws {
    let place = try RunPlace()
    let start = try LLaVAModel.load(from: place.url.appending(path: "start"))
    let run = try TrainingRun(configuration(place, "run"))
    #expect(run.configuration.lora.alpha == 8 && run.configuration.optimizer.parts == [.projector, .adapter])
    #expect(run.configuration.optimizer.projectorLearningRate == 2e-5)
    _ = try run.run()
    for new in run.model.parameters.parameters where new.group != .adapter {
      let old = try #require(start.parameters[new.name])
      let isSame = try old.tensor.array(Float.self) == new.tensor.detached().array(Float.self)
      #expect(isSame == (new.group != .projector), "\(new.name)")
    }
    let adapters = run.model.parameters.parameters.filter { $0.group == .adapter }
    #expect(adapters.count == start.configuration.text.layers * 2 * 2)
    for parameter in adapters where parameter.name.contains("lora_B") {
      #expect(try parameter.tensor.detached().abs().max().item() > 0, "\(parameter.name)")
    }
  }

  /// The checkpoint is the trained model, and so is what it began from with the adapters and the parts beside them.
  @Test(arguments: ["[projector, adapter]", "[adapter]", "[tower, projector, adapter]"])
  func aCheckpointHoldsTheModelMergedAndTheAdapters(_ parts: String) throws {
    let place = try RunPlace()
    let run = try TrainingRun(configuration(place, "run", "optimizer.parts=\(parts)"))
    _ = try run.run()
    let saved = try #require(run.folder.checkpoints.last)
    let merged = try LLaVAModel.load(from: saved.url)
    let start = try LLaVAModel.load(from: place.url.appending(path: "start"))
    let adapted = try AdapterFolder.read(saved.url.appending(path: "adapter"), into: start).mergingLoRA()
    #expect(merged.lora == nil)
    for parameter in merged.parameters.parameters {
      guard let other = adapted.parameters[parameter.name] else {
        #expect(parameter.name.hasPrefix("tower.post_layernorm"))
        continue
      }
      // A checkpoint has rows for its special tokens that the model in memory need not have.
      let rows = min(other.tensor.shape[0], parameter.tensor.shape[0])
      let distance = try (parameter.tensor.narrow(0, from: 0, length: rows) - other.tensor.narrow(0, from: 0, length: rows)).abs()
      #expect(try distance.max().item() == 0, "\(parameter.name)")
    }
  }

  @Test(arguments: ["f32", "bf16"]) func anInterruptedRunEndsWithTheSameAdapters(_ dtype: String) throws {
    let place = try RunPlace()
    let whole = try place.run(configuration(place, "whole", "dtype=\(dtype)"))
    let first = try place.run(configuration(place, "cut", "dtype=\(dtype)"), stopAfter: 3)
    let rest = try place.run(configuration(place, "cut", "dtype=\(dtype)"), resume: true)
    #expect(first.losses + rest.losses == whole.losses && rest.weights == whole.weights)
    let error = #expect(throws: RunError.self) {
      try place.run(configuration(place, "cut", "dtype=\(dtype)", "lora.rank=5"), resume: true)
    }
    #expect(error.map { "\($0)".contains("lora.rank") } ?? false)
  }

  /// Beside weights in 4 bits: nothing but adapters and projector changes, and a run that was cut ends with the same adapters.
  @Test func adaptersLearnBesideWeightsInFewBits() throws {
    let place = try RunPlace()
    let run = try TrainingRun(configuration(place, "whole", "bits=4"))
    #expect(run.model.parameters.quantized.count == 7 * run.model.configuration.text.layers + 2)
    let before = try run.model.parameters.quantized.mapValues { try $0.codes.array(UInt8.self) }
    _ = try run.run()
    #expect(try run.model.parameters.quantized.mapValues { try $0.codes.array(UInt8.self) } == before)
    let whole = run.model.parameters.parameters.filter { $0.group == .adapter }
    #expect(try whole.contains { try $0.name.contains("lora_B") && $0.tensor.detached().abs().max().item() > 0 })
    _ = try place.run(configuration(place, "cut", "bits=4"), stopAfter: 3)
    let rest = try TrainingRun(configuration(place, "cut", "bits=4"), resume: true)
    _ = try rest.run()
    for parameter in whole {
      let other = try #require(rest.model.parameters[parameter.name]).tensor.detached()
      #expect(try other.array(Float.self) == parameter.tensor.detached().array(Float.self), "\(parameter.name)")
    }
    // What is planned for has the sizes of what is there.
    let planned = try ModelWeights(
      run.model.configuration, lora: run.configuration.loraOptions, quantization: run.configuration.quantization)
    #expect(planned.all.map(\.count) == ModelWeights(run.model).all.map(\.count))
    #expect(planned.all.map(\.quantizedBytes) == ModelWeights(run.model).all.map(\.quantizedBytes))
    let error = #expect(throws: RunError.self) { _ = try TrainingRun(configuration(place, "cut", "bits=8"), resume: true) }
    #expect(error.map { "\($0)".contains("bits") } ?? false)
    // What is written is dense: the adapters' changes would be lost in few bits.
    let saved = try LLaVAModel.load(from: #require(run.folder.checkpoints.last).url)
    #expect(saved.parameters.quantized.isEmpty)
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let place = try RunPlace()
    for (changes, expected) in [
      (["optimizer.parts=[adapter]"], "there are none: give lora.rank"), (["lora.alpha=3"], "no meaning without lora.rank"),
      (["lora.rank=4", "optimizer.parts=[decoder]"], "write adapter in its place"),
      (["lora.rank=4", "lora.targets=[]"], "targets is empty"), (["bits=4"], "weights are to change: give lora.rank"),
      (["lora.rank=4", "bits=5"], "bits"),
    ] {
      let error = #expect(throws: ConfigurationProblem.self) {
        _ = try TrainingRun(changes.reduce(place.configuration("run")) { try $0.changed($1) })
      }
      #expect(error.map { "\($0)".contains(expected) } ?? false, "\(changes): \(error.map { "\($0)" } ?? "")")
    }
  }
}
