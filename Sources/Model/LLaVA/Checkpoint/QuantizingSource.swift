import Torch

/// In how many bits the decoder's matrices are held.
public struct QuantizationOptions: Sendable, Equatable {
  /// Bits of the linear layers, 4 or 8; embeddings and output layer have 8 in either case.
  public let bits: Int

  /// Takes a number of bits.
  ///
  /// - Throws: `CheckpointError.bits` for other numbers.
  public init(bits: Int) throws {
    guard bits == 4 || bits == 8 else { throw CheckpointError.bits(bits) }
    self.bits = bits
  }

  /// Bits and numbers to a scale of a matrix; nil where it stays dense.
  ///
  /// Only the decoder's matrices are quantized: tower and projector see a picture once, the decoder reads all its weights for each token.
  /// With 4 bits 32 numbers share a scale, with 8 a whole row does.
  public func choice(_ name: String, _ shape: [Int]) -> (bits: Int, group: Int)? {
    guard name.hasPrefix("decoder."), !name.contains(".lora_"), shape.count == 2, shape[1] > 0,
      shape[1] % QuantizedMatrix.block == 0
    else { return nil }
    let isTable = name.hasPrefix("decoder.embed_tokens.") || name.hasPrefix("decoder.lm_head.")
    return bits == 4 && !isTable ? (4, QuantizedMatrix.block) : (8, shape[1])
  }
}

extension QuantizationOptions? {
  /// The source, with its matrices quantized where there are options.
  func quantizing(_ source: any ParameterSource) -> any ParameterSource {
    map { QuantizingSource(source: source, options: $0) } ?? source
  }
}

/// A source whose matrices are quantized as they are read, so that the whole model is never there in full.
struct QuantizingSource: ParameterSource {
  let source: any ParameterSource
  let options: QuantizationOptions
  /// For each column of a matrix how much an error counts, by the matrix's name.
  var importance: [String: Tensor] = [:]

  func contains(_ name: String) -> Bool { source.contains(name) }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor { try source.parameter(name, shape: shape) }

  func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    let found = try source.matrix(name, shape: shape)
    // What is stored in few bits stays as it is.
    guard case .dense(let tensor) = found, let choice = options.choice(name, shape) else { return found }
    return .quantized(
      try withoutGradient {
        try QuantizedMatrix(tensor, bits: choice.bits, group: choice.group, importance: importance[name])
      })
  }
}
