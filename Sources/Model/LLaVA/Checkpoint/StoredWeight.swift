import Torch

extension TensorEntry {
  /// The element type that a model computes with where none is asked for: the stored one, or float32 for float64; nil for integers and
  /// for formats that mean something only with scales of their own.
  var weightDType: DType? { dtype == .float64 ? .float32 : dtype.flatMap { $0.isFloatingPoint ? $0 : nil } }

  /// Reads a weight and checks it.
  ///
  /// - Parameters:
  ///   - file: path of the file, for messages.
  ///   - wanted: element type in memory; `nil` for `weightDType`.
  ///   - read: reads the tensor in an element type.
  /// - Throws: `CheckpointError.shape`, `.notFinite`, `TensorFileError.unsupportedDType`, and what `read` throws.
  func weight(_ shape: [Int], in file: String, as wanted: DType?, _ read: (DType) throws -> Tensor) throws -> Tensor {
    let tensor = try read(elementType(shape, in: file, as: wanted))
    try tensor.requireFinite(name, in: file)
    return tensor
  }

  /// The element type that the weight will have in memory; parameters and errors as of `weight`.
  func elementType(_ shape: [Int], in file: String, as wanted: DType?) throws -> DType {
    guard self.shape == shape else {
      throw CheckpointError.shape(tensor: name, file: file, found: self.shape, expected: shape)
    }
    guard let own = weightDType else { throw TensorFileError.unsupportedDType(tensor: name, dtype: storedType, file: file) }
    return wanted ?? own
  }
}

extension Tensor {
  /// Throws where a weight of a file is infinite or no number.
  ///
  /// - Throws: `CheckpointError.notFinite`, `TorchError`.
  func requireFinite(_ name: String, in file: String) throws {
    try withoutGradient {
      // One pass: a sum is finite only if every term is. Summing accumulates in float32 without a copy.
      if try sum().item().isFinite { return }
      let bad = try count - Int(isFinite().sum().item())
      if bad > 0 { throw CheckpointError.notFinite(tensor: name, file: file, count: bad) }
    }
  }
}
