import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Weights that are read when they are asked for.
@Suite struct DeferredWeightsTests {
  @Test func weightsAreThoseOfTheCheckpoint() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(TestModel.tiny(seed: 5), to: folder)
    let whole = try LLaVAModel.load(from: folder, dtype: .bfloat16)
    let deferred = DeferredWeights(try CheckpointReader(folder, dtype: .bfloat16))
    let model = try LLaVAModel(deferred.configuration, from: deferred).addingLoRA(seed: 1)
    var adapters = 0
    for parameter in model.parameters.parameters {
      let value = try deferred.value(of: parameter.tensor)
      guard let own = whole.parameters[parameter.name] else {
        // What does not come from the checkpoint is there.
        #expect(parameter.group == .adapter && value === parameter.tensor)
        adapters += 1
        continue
      }
      #expect(value !== parameter.tensor && value.dtype == .bfloat16 && value.shape == parameter.tensor.shape)
      let twin = try deferred.twin(of: parameter.tensor)
      #expect(twin !== parameter.tensor)
      for found in [value, try deferred.value(of: twin)] {
        #expect(try found.to(.float32).array(Float.self) == own.tensor.to(.float32).array(Float.self), "\(parameter.name)")
      }
    }
    #expect(adapters > 0)
  }

  /// What cannot be read is said when the model is built, as far as headers tell.
  @Test func aWrongShapeIsFoundAtOnce() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(TestModel.tiny(seed: 5), to: folder)
    let deferred = DeferredWeights(try CheckpointReader(folder))
    var configuration = deferred.configuration
    configuration.text.intermediateSize += 8
    #expect(throws: CheckpointError.self) { try LLaVAModel(configuration, from: deferred) }
    configuration = deferred.configuration
    configuration.text.layers += 1
    #expect(throws: CheckpointError.self) { try LLaVAModel(configuration, from: deferred) }
  }
}
