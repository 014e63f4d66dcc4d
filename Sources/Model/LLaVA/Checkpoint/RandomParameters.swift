import Torch

/// Random weights for a model of any size: for benchmarks, tests and training from scratch.
///
/// Matrices are normal with standard deviation 0.02, as transformers initialises LLaMA; normalisation weights are 1 and biases 0.
public struct RandomParameters: ParameterSource {
  private let generator: Generator
  private let dtype: DType
  private let device: Device
  private let deviation: Double

  /// Weights that follow from `seed` alone.
  public init(seed: UInt64, dtype: DType = .float32, device: Device = .cpu, deviation: Double = 0.02) throws {
    generator = try Generator(seed: seed, on: device)
    self.dtype = dtype
    self.device = device
    self.deviation = deviation
  }

  /// True: there is a random weight for every name.
  public func contains(_ name: String) -> Bool { true }

  /// The next random weight.
  public func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    if name.hasSuffix(".bias") { return try Tensor.zeros(shape, dtype, on: device) }
    if shape.count == 1, name.contains("norm") { return try Tensor.ones(shape, dtype, on: device) }
    return try Tensor.randn(shape, .float32, on: device, generator: generator).multiplyInPlace(by: deviation).to(dtype)
  }
}
