import CTorch
import Foundation

/// A GGUF file, llama.cpp's format of models, opened by memory map: metadata, then the tensors' bytes.
///
/// Versions 2 and 3 with little-endian numbers are read, and tensors of the types in `GGUFType.read`. Opening
/// checks the whole header (counts, lengths, shapes, offsets, overlaps), so a tensor can be read without further checks.
public final class GGUFFile: TensorFile {
  /// Path of the file, for messages.
  public let path: String
  /// What the file says about its model.
  public let metadata: GGUFMetadata
  /// All tensors by name, sizes with the innermost last; types by ggml's names.
  public let entries: [String: TensorEntry]

  private let map: MappedFile
  private let places: [String: GGUFPlace]

  /// Opens a file and checks its header.
  ///
  /// - Throws: `TensorFileError`.
  public init(_ url: URL) throws {
    path = url.path
    map = try MappedFile(url)
    let header = try GGUFHeader(map, url.path)
    metadata = GGUFMetadata(file: url.path, values: header.metadata)
    entries = header.entries
    places = header.places
  }

  /// The element type that a tensor has once it is read: its own, or float32 for blocks.
  ///
  /// - Throws: `TensorFileError.missing`; `.unsupportedBlocks` for a type that is not read.
  public func dtype(of name: String) throws -> DType {
    guard let entry = entries[name] else { throw TensorFileError.missing(tensor: name, file: path) }
    if let own = entry.dtype { return own }
    guard GGUFBlocks(rawValue: entry.storedType) != nil else {
      throw TensorFileError.unsupportedBlocks(tensor: name, type: entry.storedType, read: GGUFType.read, file: path)
    }
    return .float32
  }

  /// Reads a tensor into memory of its own, in the given element type and on the given device; numbers of blocks are computed in float32.
  ///
  /// The file's pages are let go afterwards, and of the numbers in float32 only a piece is there at a time.
  ///
  /// - Throws: `TensorFileError.missing`, `.unsupportedBlocks`, `TorchError`.
  public func tensor(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    let stored = try self.dtype(of: name)
    guard let entry = entries[name], let place = places[name] else {
      throw TensorFileError.missing(tensor: name, file: path)
    }
    guard let blocks = GGUFBlocks(rawValue: entry.storedType) else {
      return try map.tensor(place.range, entry.shape, stored, as: dtype ?? stored, on: device)
    }
    return try withoutGradient {
      let result = try Tensor.empty(entry.shape, dtype ?? stored, on: device)
      if place.range.isEmpty { return result }
      let (flat, type) = (try result.reshaped([-1]), place.type)
      let count = place.range.count / type.bytes
      let atOnce = min(count, Self.numbersAtOnce / type.block)
      let room = try Tensor.empty([atOnce * type.block], .float32)
      var start: UnsafeMutableRawPointer?
      try check(ct_tensor_data(room.handle, Int64(DType.float32.size), &start), "room for numbers of blocks")
      guard let numbers = start?.assumingMemoryBound(to: Float.self) else {
        throw TorchError.operatorFailed(name: "tensor data", message: "no memory for \(atOnce * type.block) numbers")
      }
      for first in stride(from: 0, to: count, by: atOnce) {
        let length = min(atOnce, count - first)
        let begin = place.range.lowerBound + first * type.bytes
        withExtendedLifetime((map, room)) {
          blocks.dequantize(length, at: UnsafePointer((map.start + begin).assumingMemoryBound(to: UInt8.self)), into: numbers)
        }
        try flat.narrow(0, from: first * type.block, length: length * type.block)
          .copyInPlace(from: room.narrow(0, from: 0, length: length * type.block))
        map.forget(begin..<begin + length * type.bytes)
      }
      return result
    }
  }

  private static let numbersAtOnce = 1 << 20
}
