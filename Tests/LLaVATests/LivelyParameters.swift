import Torch

@testable import LLaVA

/// Random weights that make every part of a model matter: biases are not zero, normalisations not one, attention not uniform.
struct LivelyParameters: ParameterSource {
  let generator: Generator

  func contains(_ name: String) -> Bool { true }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    let noise = try Tensor.randn(shape, .float32, generator: generator)
    if shape.count == 1 {
      let isNorm = ["norm.weight", "norm1.weight", "norm2.weight", "ln_q.weight"].contains { name.hasSuffix($0) }
      return try noise * 0.2 + (isNorm ? 1 : 0)
    }
    let fanIn = shape.dropFirst().reduce(1, *)
    return try noise * (name.contains("embed") ? 0.2 : 1.5 / Double(fanIn).squareRoot())
  }
}
