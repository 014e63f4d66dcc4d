import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch
import Training

@Suite struct AdamWTests {
  private func options(_ change: (inout AdamWOptions) -> Void = { _ in }) -> AdamWOptions {
    var options = AdamWOptions()
    change(&options)
    return options
  }

  private func bytes(_ tensor: Tensor) throws -> Data { try tensor.withBytes { Data($0) } }

  /// A weight of ones under a constant gradient: Adam moves it by the learning rate in each step.
  @Test func halfPrecisionFollowsFloat32() throws {
    let weights = try [DType.bfloat16, .float16, .float32].map { dtype in
      TrainedParameter("weight", try Tensor.ones([8], dtype).requiringGradient(), learningRate: 1e-4)
    }
    let optimizers = try weights.map { try AdamW([$0]) }
    let plain = try Tensor.ones([8], .bfloat16)
    let (mean, square, steps) = (
      try Tensor.zeros([8], .bfloat16), try Tensor.zeros([8], .bfloat16), try Tensor.zeros([])
    )
    for _ in 0..<100 {
      for (weight, optimizer) in zip(weights, optimizers) {
        try weight.tensor.setGradient(.ones([8], weight.tensor.dtype))
        try optimizer.step(factor: 1)
      }
      try TensorList.addInPlace(1, to: [steps])
      try TensorList.adamWInPlace(
        [plain], gradients: [.ones([8], .bfloat16)], firstMoments: [mean], secondMoments: [square], steps: [steps],
        learningRate: 1e-4, beta1: 0.9, beta2: 0.999, weightDecay: 0, epsilon: 1e-8)
    }
    let exact = weights[2].tensor
    #expect(try abs(exact.detached().to(.float32).array(Float.self)[0] - 0.99) < 1e-4)
    for index in 0..<2 {
      let master = try #require(optimizers[index].state.first { $0.name == "master/weight" })
      #expect(try bytes(master.tensor) == bytes(exact))
      #expect(try bytes(weights[index].tensor) == bytes(exact.detached().to(weights[index].tensor.dtype)))
    }
    // Without a master each step of 1e-4 is lost in a weight of 1.
    #expect(try plain.to(.float32).array(Float.self) == [Float](repeating: 1, count: 8))
  }

  private func weights(_ dtype: DType, _ generator: Generator) throws -> [TrainedParameter] {
    try [("a.weight", [5, 7]), ("a.bias", [5]), ("norm.weight", [3])].map { name, shape in
      TrainedParameter(name, try Tensor.randn(shape, generator: generator).to(dtype).requiringGradient(), learningRate: 0.01)
    }
  }

  private func train(_ optimizer: AdamW, _ weights: [TrainedParameter], steps: Range<Int>) throws {
    for step in steps {
      let generator = try Generator(seed: UInt64(step))
      for (index, weight) in weights.enumerated() where (step + index) % 4 != 0 {
        try weight.tensor.setGradient(Tensor.randn(weight.tensor.shape, generator: generator).to(weight.tensor.dtype))
      }
      try optimizer.step(factor: 1 / Double(step + 1))
      try optimizer.clearGradients()
    }
  }

  @Test(arguments: [DType.float32, .bfloat16]) func interruptedIsAsUndisturbed(_ dtype: DType) throws {
    let options = options {
      $0.weightDecay = 0.1
      $0.maximumGradientNorm = 2
    }
    let undisturbed = try weights(dtype, Generator(seed: 9))
    let whole = try AdamW(undisturbed, options)
    try train(whole, undisturbed, steps: 0..<12)
    try withTemporaryFolder { folder in
      let first = try weights(dtype, Generator(seed: 9))
      let before = try AdamW(first, options)
      try train(before, first, steps: 0..<5)
      let place = folder.appending(path: "optimizer.safetensors")
      try SafetensorsWriter.write(before.state.map { SafetensorsItem($0.name, $0.tensor) }, to: place)
      let second = try first.map {
        TrainedParameter($0.name, try $0.tensor.detached().copy().requiringGradient(), learningRate: $0.learningRate)
      }
      let after = try AdamW(second, options)
      let file = try SafetensorsFile(place)
      try after.restore { file.entries[$0] == nil ? nil : try file.tensor($0) }
      try train(after, second, steps: 5..<12)
      for (a, b) in zip(undisturbed, second) { #expect(try bytes(a.tensor) == bytes(b.tensor), "\(a.name)") }
      #expect(whole.state.map(\.name) == after.state.map(\.name))
      for (a, b) in zip(whole.state, after.state) { #expect(try bytes(a.tensor) == bytes(b.tensor), "\(a.name)") }
    }
  }

  @Test func weightsWithoutGradientStayAsTheyAre() throws {
    let weights = try weights(.bfloat16, Generator(seed: 1))
    let optimizer = try AdamW(weights, options { $0.weightDecay = 0.5 })
    let before = try weights.map { try bytes($0.tensor) }
    #expect(try optimizer.step(factor: 1) == 0)
    try weights[0].tensor.setGradient(.ones([5, 7], .bfloat16))
    #expect(try abs(optimizer.step(factor: 1) - 35.0.squareRoot()) < 1e-5)
    let after = try weights.map { try bytes($0.tensor) }
    #expect(after[0] != before[0] && after[1...] == before[1...])
    let steps = try optimizer.state.filter { $0.name.hasPrefix("step/") }.map { try $0.tensor.item() }
    #expect(steps == [1, 0, 0])
  }

  @Test func clippingScalesTheGradients() throws {
    var random = SplitMix(seed: 41)
    for _ in 0..<20 {
      let generator = try Generator(seed: random.next())
      let (limited, free) = (try weights(.float32, Generator(seed: 2)), try weights(.float32, Generator(seed: 2)))
      let (a, b) = (try AdamW(limited, options { $0.maximumGradientNorm = 0.5 }), try AdamW(free))
      for (x, y) in zip(limited, free) {
        let gradient = try Tensor.randn(x.tensor.shape, generator: generator)
        try x.tensor.setGradient(gradient)
        try y.tensor.setGradient(gradient * 0.25)
      }
      let norm = try a.step(factor: 1)
      #expect(try abs(b.step(factor: 1) * 4 - norm) < 1e-4 && norm > 0.5)
      // The first moment after one step is a tenth of the gradient that was used.
      for (x, y) in zip(a.state, b.state) where x.name.hasPrefix("exp_avg/") {
        let expected = try y.tensor * (0.5 / (norm + 1e-6) * 4)
        #expect(try (x.tensor - expected).abs().max().item() < 1e-6)
      }
    }
  }

  @Test func gradientsThatAreNotFiniteChangeNothing() throws {
    let weights = try weights(.bfloat16, Generator(seed: 3))
    let optimizer = try AdamW(weights)
    for weight in weights { try weight.tensor.setGradient(.ones(weight.tensor.shape, .bfloat16)) }
    try weights[1].tensor.setGradient(.full([5], .nan, .bfloat16))
    let before = try weights.map { try bytes($0.tensor) } + optimizer.state.map { try bytes($0.tensor) }
    #expect(throws: OptimizationError.gradientNotFinite(parameter: "a.bias")) { try optimizer.step(factor: 1) }
    #expect(try weights.map { try bytes($0.tensor) } + optimizer.state.map { try bytes($0.tensor) } == before)
  }

  @Test func groupsWithoutALearningRateAreFrozen() throws {
    let model = try TestModel.tiny(seed: 5)
    let trained = try model.parameters.trained(options { $0.learningRates = [.decoder: 1e-3, .projector: 0.1] })
    #expect(Set(trained.map(\.name)) == Set(model.parameters.parameters.filter { $0.group != .tower }.map(\.name)))
    for parameter in model.parameters.parameters { #expect(parameter.tensor.requiresGradient == (parameter.group != .tower)) }
    for parameter in trained {
      #expect(parameter.learningRate == (parameter.name.hasPrefix("projector.") ? 0.1 : 1e-3))
      #expect(parameter.decays == (!parameter.name.hasSuffix("bias") && !parameter.name.contains("norm")))
    }
    let count = trained.reduce(0) { $0 + $1.tensor.count }
    #expect(try AdamW(trained).byteCount == 8 * count)
    let half = try TestModel.tiny(seed: 5, dtype: .bfloat16).parameters.trained(AdamWOptions())
    #expect(try AdamW(half).byteCount == 12 * count)
    // A later list can thaw what an earlier one froze.
    _ = try model.parameters.trained(options { $0.learningRates = [.tower: 1e-6] })
    for parameter in model.parameters.parameters { #expect(parameter.tensor.requiresGradient == (parameter.group == .tower)) }
  }

  /// Real gradients through the model, step after step: a batch of text is learnt by heart, and tower and projector stay as they are.
  @Test(arguments: [DType.float32, .bfloat16]) func aModelLearnsABatchByHeart(_ dtype: DType) throws {
    let model = try TestModel.tiny(seed: 8, dtype: dtype)
    let trained = try model.parameters.trained(options { $0.learningRates = [.decoder: 0.01, .projector: 0.01] })
    let optimizer = try AdamW(trained, options { $0.maximumGradientNorm = 1 })
    let others = model.parameters.parameters.filter { $0.group != .decoder }
    let before = try others.map { try bytes($0.tensor) }
    var losses: [Double] = []
    for _ in 0..<20 {
      let ids = [1, 20, 30, 40, 50, 60, 70, 80]
      let logits = try model.logits(model.splice([ids], features: [[]])).narrow(0, from: 0, length: 7)
      let loss = try logits.to(.float32).crossEntropy(Tensor(Array(ids.dropFirst())))
      losses.append(try loss.detached().item())
      try loss.backward()
      try optimizer.step(factor: 1)
      try optimizer.clearGradients()
    }
    #expect(losses[19] < losses[0] / 4, "\(losses)")
    #expect(try others.map { try bytes($0.tensor) } == before)
  }

  @Test func statesOfAnotherModelAreRefused() throws {
    let optimizer = try AdamW(weights(.bfloat16, Generator(seed: 6)))
    let saved = try Dictionary(uniqueKeysWithValues: optimizer.state.map { ($0.name, try $0.tensor.copy()) })
    let before = try optimizer.state.map { try bytes($0.tensor) }
    var changed = try saved.mapValues { try $0 + 1 }
    changed["master/norm.weight"] = nil
    #expect(throws: OptimizationError.stateMissing("master/norm.weight")) { try optimizer.restore { changed[$0] } }
    changed["master/norm.weight"] = try Tensor.zeros([4])
    #expect(throws: OptimizationError.stateMismatch("master/norm.weight", found: [4], expected: [3])) {
      try optimizer.restore { changed[$0] }
    }
    changed["master/norm.weight"] = try Tensor.zeros([3], .bfloat16)
    #expect(throws: TorchError.self) { try optimizer.restore { changed[$0] } }
    #expect(try optimizer.state.map { try bytes($0.tensor) } == before)
  }

  @Test func badOptionsAreNamedTogether() throws {
    let bad = options {
      $0.learningRates = [.decoder: -1]
      $0.beta2 = 1
      $0.epsilon = 0
      $0.weightDecay = .nan
      $0.maximumGradientNorm = 0
    }
    let error = #expect(throws: OptimizationError.self) { try AdamW([], bad) }
    for part in [
      "learning-rate of decoder is -1.0", "beta2 is 1.0", "epsilon is 0.0", "weight-decay is nan", "max-grad-norm is 0.0",
    ] {
      #expect(error?.description.contains(part) == true, "\(part)")
    }
    let none = #expect(throws: OptimizationError.self) {
      try TestModel.tiny().parameters.trained(self.options { $0.learningRates = [:] })
    }
    #expect(none?.description.contains("no part") == true)
  }

  @Test func listsThatDoNotFitAreRefused() throws {
    let (weight, step) = (try Tensor.zeros([3]), try Tensor.ones([]))
    for (gradients, steps) in [
      ([], [step]), ([weight], []), ([try Tensor.zeros([4])], [step]), ([try Tensor.zeros([3], .bfloat16)], [step]),
    ] {
      #expect(throws: TorchError.self) {
        try TensorList.adamWInPlace(
          [weight], gradients: gradients, firstMoments: [weight], secondMoments: [weight], steps: steps, learningRate: 0.1,
          beta1: 0.9, beta2: 0.999, weightDecay: 0, epsilon: 1e-8)
      }
    }
  }

  /// Token embeddings alone take the rate that is given for them.
  @Test func embeddingsHaveARateOfTheirOwn() throws {
    let model = try TestModel.tiny()
    let trained = try model.parameters.trained(options { $0.embeddingLearningRate = 1e-6 })
    for parameter in trained {
      #expect(parameter.learningRate == (parameter.name == "decoder.embed_tokens.weight" ? 1e-6 : 2e-5), "\(parameter.name)")
    }
    #expect(trained.contains { $0.learningRate == 1e-6 })
    #expect(throws: OptimizationError.self) { try options { $0.embeddingLearningRate = -1 }.validate() }
  }
}
