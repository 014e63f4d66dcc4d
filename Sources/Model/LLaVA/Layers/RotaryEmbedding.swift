import Foundation
import Torch

/// Rotary position embedding in LLaMA's half-split layout: dimension i turns together with dimension i + D/2.
///
/// Frequencies are θ^(-2i/D) for i in 0..<D/2 (RoFormer, eq. 15), stretched as `RotaryScaling` says. Angles are computed in float32
/// from int64 positions, so that positions with gaps, as compression leaves them, cost nothing.
public struct RotaryEmbedding: Sendable {
  /// Cosines and sines of some positions, [positions, 1, headDimension], in the dtype of the model.
  public struct Angles: Sendable {
    let cosine: Tensor
    let sine: Tensor

    /// The angles of some of the positions, by int64 index.
    func rows(_ indices: Tensor) throws -> Angles { Angles(cosine: try cosine.rows(indices), sine: try sine.rows(indices)) }
  }

  private let configuration: TextConfiguration
  private let device: Device
  private let standard: Tensor
  /// For each frequency the axis of a position that it turns by, [D/2] int64; nil for positions of one axis.
  private let axes: Tensor?

  /// The embedding of a decoder.
  public init(_ configuration: TextConfiguration, on device: Device) throws {
    self.configuration = configuration
    self.device = device
    standard = try Tensor(Self.frequencies(configuration, length: 0).map { Float($0) }, on: device)
    let axes = configuration.ropeSections?.enumerated().flatMap { repeatElement($0.offset, count: $0.element) }
    self.axes = try axes.map { try Tensor($0, on: device) }
  }

  /// Angles for int64 positions [axes, T] of sequences whose longest has `length` tokens (dynamic scaling depends on it).
  public func angles(_ positions: Tensor, length: Int, _ dtype: DType) throws -> Angles {
    try positions.requireShape([configuration.positionAxes, nil], "rotary positions")
    return try withoutGradient {
      var frequencies = standard
      if case .dynamic = configuration.ropeScaling, length > configuration.maximumPositions {
        frequencies = try Tensor(Self.frequencies(configuration, length: length).map { Float($0) }, on: device)
      }
      let places = try axes.map { try positions.transposed(0, 1).rows($0, 1) } ?? positions.reshaped([-1, 1])
      let half = try places.to(.float32) * frequencies.unsqueezed(0)
      let full = try concatenate([half, half], 1).unsqueezed(1)
      return Angles(cosine: try full.cos().to(dtype), sine: try full.sin().to(dtype))
    }
  }

  /// x [positions, heads, headDimension] turned by the angles of its positions.
  public func callAsFunction(_ x: Tensor, _ angles: Angles) throws -> Tensor {
    try x.rotatingHalves(angles.cosine, angles.sine)
  }

  /// The D/2 frequencies in radians per token, for sequences of `length` tokens.
  static func frequencies(_ configuration: TextConfiguration, length: Int) -> [Double] {
    let width = Double(configuration.headDimension)
    var base = configuration.ropeTheta
    if case .dynamic(let factor) = configuration.ropeScaling, length > configuration.maximumPositions {
      // Dynamic NTK: base · (factor · length / trained - (factor - 1)) ^ (D / (D - 2)).
      let stretch = factor * Double(length) / Double(configuration.maximumPositions) - (factor - 1)
      base *= pow(stretch, width / (width - 2))
    }
    let plain = (0..<configuration.headDimension / 2).map { pow(base, -2 * Double($0) / width) }
    switch configuration.ropeScaling {
    case .none, .dynamic: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .llama3(let factor, let low, let high, let original):
      return plain.map { frequency in
        // In transformers' order, which tells where there is nothing to blend: equal factors, or the lower one above the higher one.
        let wavelength = 2 * Double.pi / frequency
        if wavelength > Double(original) / low { return frequency / factor }
        if wavelength < Double(original) / high || high <= low { return frequency }
        let smooth = (Double(original) / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
      }
    }
  }
}
