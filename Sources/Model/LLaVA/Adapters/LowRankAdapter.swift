import Torch

/// What LoRA adds to a linear layer: α/r · B·A·x.
struct LowRankAdapter: Sendable {
  /// A [rank, inputs] and B [outputs, rank].
  let down, up: Tensor
  let scale: Double

  init(_ p: ParameterScope, _ inputs: Int, _ outputs: Int, _ options: LoRAOptions) throws {
    down = try (p / "lora_A")("weight", [options.rank, inputs])
    up = try (p / "lora_B")("weight", [outputs, options.rank])
    scale = options.scale
  }

  func callAsFunction(_ x: Tensor) throws -> Tensor { try linear(linear(x, down, nil) * scale, up, nil) }
}

/// Adapters that change nothing yet: B is 0, A uniform within ±1/√inputs as PEFT draws it (Kaiming's bound for a = √5).
struct NewAdapters: ParameterSource {
  let generator: Generator
  let dtype: DType
  let device: Device

  func contains(_ name: String) -> Bool { name.contains(".lora_") }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    if name.contains(".lora_B.") { return try Tensor.zeros(shape, dtype, on: device) }
    let bound = 1 / Double(max(1, shape[1])).squareRoot()
    // Drawn on the CPU, so that one seed means the same adapters everywhere.
    return try ((Tensor.rand(shape, generator: generator) * (2 * bound)) - bound).to(dtype, on: device)
  }
}
