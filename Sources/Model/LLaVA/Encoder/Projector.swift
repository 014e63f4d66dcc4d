import Torch

/// The network that turns tower features into decoder inputs: linear layers with an exact GELU between two.
public struct Projector: Sendable {
  private let layers: [Linear]

  /// Pulls the weights of all layers.
  public init(_ p: ParameterScope, _ c: LLaVAConfiguration) throws {
    layers = try (0..<c.projector.layers).map {
      try Linear(p / "\($0)", $0 == 0 ? c.vision.hiddenSize : c.text.hiddenSize, c.text.hiddenSize, bias: c.projector.bias)
    }
  }

  /// Features [..., tower width] to [..., decoder width].
  public func callAsFunction(_ features: Tensor) throws -> Tensor {
    var x = try layers[0](features)
    for layer in layers.dropFirst() { x = try layer(x.gelu()) }
    return x
  }
}
