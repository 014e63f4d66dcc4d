import Torch

/// A weight of a model in a GGUF file.
struct GGUFWeight: Sendable {
  /// The model's own name.
  let name: String
  /// The file's name.
  let stored: String
  /// What the model needs.
  let shape: [Int]
  /// Heads whose rows llama.cpp's converter has put into another order; nil for rows in transformers' order.
  var permutedHeads: Int?

  /// Throws unless the file holds it in this shape, in a type that is read.
  ///
  /// - Throws: `TensorFileError.missing`, `.unsupportedBlocks`; `CheckpointError.shape`.
  func check(in file: GGUFFile) throws {
    guard let entry = file.entries[stored] else { throw TensorFileError.missing(tensor: stored, file: file.path) }
    guard entry.shape == shape else {
      throw CheckpointError.shape(tensor: stored, file: file.path, found: entry.shape, expected: shape)
    }
    let dtype = try file.dtype(of: stored)
    guard dtype.isFloatingPoint || dtype == .float64 else {
      throw TensorFileError.unsupportedDType(tensor: stored, dtype: entry.storedType, file: file.path)
    }
  }

  /// The weight as transformers has it.
  ///
  /// - Throws: `CheckpointError.notFinite`, `TorchError`.
  func read(from file: GGUFFile, as dtype: DType) throws -> Tensor {
    let tensor = try file.tensor(stored, as: dtype)
    try tensor.requireFinite(stored, in: file.path)
    return try permutedHeads.map { try Self.restored(tensor, heads: $0) } ?? tensor
  }

  /// Rows of queries or keys in transformers' order: [heads · width, …].
  ///
  /// Rotary embeddings turn pairs of rows of a head. In transformers the first half of a head holds the first of each pair and the
  /// second half the others; llama.cpp wants the two beside each other, so its converter makes of each head's [2, width/2] rows
  /// [width/2, 2].
  static func restored(_ tensor: Tensor, heads: Int) throws -> Tensor {
    let shape = tensor.shape
    return try withoutGradient {
      try tensor.reshaped([heads, shape[0] / heads / 2, 2] + shape.dropFirst()).transposed(1, 2).reshaped(shape)
    }
  }
}
