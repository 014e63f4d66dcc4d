/// One tensor of a file, as the file describes it.
public struct TensorEntry: Sendable, Equatable {
  /// The tensor's name.
  public let name: String
  /// The element type by its safetensors name, such as `F32`, `BF16` or `I64`.
  public let storedType: String
  /// Sizes of all dimensions.
  public let shape: [Int]
  /// Bytes of its elements.
  public let byteCount: Int

  /// The element type, or `nil` where this package does not compute with it.
  public var dtype: DType? { SafetensorsFormat.dtypes[storedType] }
  /// Number of elements.
  public var count: Int { shape.reduce(1, *) }
}

/// The number of elements of a shape from a file or a caller, or nil where it is impossible: a size below zero, or over 2⁴⁸ elements.
///
/// A zero excuses no other size, as strides are products of the others.
func elementCount(_ shape: [Int]) -> Int? {
  var product = 1
  for size in shape where size != 0 {
    guard size > 0, size <= 1 << 48 / product else { return nil }
    product *= size
  }
  return shape.contains(0) ? 0 : product
}

/// A file of named tensors, opened by its directory alone; tensors are read when asked for.
public protocol TensorFile: Sendable {
  /// Path of the file, for messages.
  var path: String { get }
  /// All tensors by name.
  var entries: [String: TensorEntry] { get }
  /// Reads a tensor into memory of its own, in the given element type (its own where nil) and on the given device.
  ///
  /// - Throws: `TensorFileError.missing`, `.unsupportedDType`, `TorchError`.
  func tensor(_ name: String, as dtype: DType?, on device: Device) throws -> Tensor
}

extension TensorFile {
  /// The entry of a tensor that this package computes with, and its element type.
  func readable(_ name: String) throws -> (TensorEntry, DType) {
    guard let entry = entries[name] else { throw TensorFileError.missing(tensor: name, file: path) }
    guard let stored = entry.dtype else {
      throw TensorFileError.unsupportedDType(tensor: name, dtype: entry.storedType, file: path)
    }
    return (entry, stored)
  }
}
