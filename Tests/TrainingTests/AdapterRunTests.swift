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

  @Test func whatDoesNotFitIsSaid() throws {
    let place = try RunPlace()
    for (changes, expected) in [
      (["optimizer.parts=[adapter]"], "there are none: give lora.rank"), (["lora.alpha=3"], "no meaning without lora.rank"),
      (["lora.rank=4", "optimizer.parts=[decoder]"], "write adapter in its place"),
      (["lora.rank=4", "lora.targets=[]"], "targets is empty"),
    ] {
      let error = #expect(throws: ConfigurationProblem.self) {
        _ = try TrainingRun(changes.reduce(place.configuration("run")) { try $0.changed($1) })
      }
      #expect(error.map { "\($0)".contains(expected) } ?? false, "\(changes): \(error.map { "\($0)" } ?? "")")
    }
  }
}
