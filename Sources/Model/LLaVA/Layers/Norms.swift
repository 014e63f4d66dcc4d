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

/// One of the two normalisations, where a model's version decides.
enum Norm: Sendable {
  case layer(LayerNorm)
  case rms(RMSNorm)

  /// x [..., width] to the same shape.
  func callAsFunction(_ x: Tensor) throws -> Tensor {
    switch self {
    case .layer(let norm): try norm(x)
    case .rms(let norm): try norm(x)
    }
  }
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
