import Torch

/// Layer normalisation with weight and bias (CLIP).
public struct LayerNorm: Sendable {
  private let weight: Tensor
  private let bias: Tensor
  private let epsilon: Double

  /// Pulls `weight` and `bias` of one width.
  public init(_ p: ParameterScope, _ width: Int, epsilon: Double) throws {
    weight = try p("weight", [width])
    bias = try p("bias", [width])
    self.epsilon = epsilon
  }

  /// x [..., width] to the same shape.
  public func callAsFunction(_ x: Tensor) throws -> Tensor { try x.layerNorm(weight, bias, epsilon: epsilon) }
}

/// Root-mean-square normalisation (LLaMA): x / √(mean(x²) + ε) · weight, computed in float32.
public struct RMSNorm: Sendable {
  let weight: Tensor
  private let epsilon: Double

  /// Pulls `weight` of one width.
  public init(_ p: ParameterScope, _ width: Int, epsilon: Double) throws {
    weight = try p("weight", [width])
    self.epsilon = epsilon
  }

  /// x [..., width] to the same shape.
  public func callAsFunction(_ x: Tensor) throws -> Tensor { try x.rmsNorm(weight, epsilon: epsilon) }
}
