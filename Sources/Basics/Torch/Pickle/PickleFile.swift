import Foundation

/// A file that `torch.save` has written: a zip archive with a pickle and the storages of its tensors.
///
/// The original LLaVA's checkpoints come so. The pickle is read as data, nothing it names is run; storages are read by memory map
/// when a tensor is asked for.
public final class PickleFile: TensorFile {
  /// Path of the file, for messages.
  public let path: String
  /// All tensors of the top dictionary, or of its `state_dict`, by name.
  public let entries: [String: TensorEntry]

  private struct Place {
    let bytes: Range<Int>
    let tensor: Unpickler.StoredTensor
  }

  private let map: MappedFile
  private let places: [String: Place]

  private static let types = [
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64", "IntStorage": "I32",
    "BoolStorage": "BOOL", "ByteStorage": "U8", "DoubleStorage": "F64", "ShortStorage": "I16", "CharStorage": "I8",
  ]

  private enum Op {
    static let asStrided = Operator("aten::as_strided")
  }

  /// Opens a file and reads its pickle.
  ///
  /// - Throws: `TensorFileError`.
  public init(_ url: URL) throws {
    path = url.path
    map = try MappedFile(url)
    let zip = try ZipDirectory(map, path)
    func malformed(_ reason: String) -> TensorFileError { .malformed(file: url.path, reason: reason) }
    guard let pickle = zip.members.first(where: { $0.key == "data.pkl" || $0.key.hasSuffix("/data.pkl") }) else {
      throw malformed("the archive has no data.pkl")
    }
    let folder = pickle.key.dropLast("data.pkl".count)
    if let order = zip.members[folder + "byteorder"], String(decoding: map.bytes(order), as: UTF8.self) != "little" {
      throw malformed("its numbers are big-endian")
    }
    let tensors: [(name: String, tensor: Unpickler.StoredTensor)]
    do {
      tensors = try Unpickler.load(map.bytes(pickle.value))
    } catch {
      throw malformed(error.reason)
    }

    var entries: [String: TensorEntry] = [:]
    var places: [String: Place] = [:]
    var total = 0
    for (name, tensor) in tensors {
      let type = Self.types[tensor.type] ?? tensor.type
      guard let range = zip.members[folder + "data/" + tensor.key] else { throw malformed("storage \(tensor.key) is missing") }
      let size = SafetensorsFormat.dtypes[type]?.size ?? SafetensorsFormat.otherSizes[type] ?? 1
      guard tensor.storageCount <= range.count / size else { throw malformed("storage \(tensor.key) is too short") }
      let bytes = tensor.elements * size
      // Repeated elements take no room in the file, so nothing else bounds the sum, which people are shown.
      guard bytes <= 1 << 60 - total else { throw malformed("its tensors claim impossible sizes") }
      total += bytes
      entries[name] = TensorEntry(name: name, storedType: type, shape: tensor.shape, byteCount: bytes)
      places[name] = Place(bytes: range.lowerBound..<range.lowerBound + tensor.storageCount * size, tensor: tensor)
    }
    if entries.isEmpty { throw malformed("it holds no dictionary of tensors") }
    self.entries = entries
    self.places = places
  }

  /// Reads a tensor as `TensorFile.tensor` says.
  public func tensor(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    let (entry, stored) = try readable(name)
    guard let place = places[name] else { throw TensorFileError.missing(tensor: name, file: path) }
    let tensor = place.tensor
    if Self.isContiguous(tensor) {
      let start = place.bytes.lowerBound + tensor.offset * stored.size
      return try map.tensor(start..<start + entry.byteCount, tensor.shape, stored, as: dtype ?? stored, on: device)
    }
    let storage = try map.tensor(place.bytes, [tensor.storageCount], stored, as: dtype ?? stored, on: device)
    return try Op.asStrided(.tensor(storage), .ints(tensor.shape), .ints(tensor.strides), .int(tensor.offset)).copy()
  }

  private static func isContiguous(_ tensor: Unpickler.StoredTensor) -> Bool {
    var expected = 1
    for (size, stride) in zip(tensor.shape, tensor.strides).reversed() {
      if size != 1, stride != expected { return false }
      expected *= max(1, size)
    }
    return true
  }
}
