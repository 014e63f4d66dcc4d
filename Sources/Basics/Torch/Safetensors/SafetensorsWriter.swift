import Basics
import Foundation

/// A tensor to be written, made only when its turn comes, so that a conversion holds one tensor at a time.
public struct SafetensorsItem {
  /// Name in the file.
  public let name: String
  /// Element type in the file.
  public let dtype: DType
  /// Sizes of all dimensions.
  public let shape: [Int]
  /// Gives the tensor; it is converted to `dtype` and brought to the CPU.
  public let load: () throws -> Tensor

  /// Describes a tensor that `load` will give.
  public init(name: String, dtype: DType, shape: [Int], load: @escaping () throws -> Tensor) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.load = load
  }

  /// A tensor that is there already.
  public init(_ name: String, _ tensor: Tensor) {
    self.init(name: name, dtype: tensor.dtype, shape: tensor.shape) { tensor }
  }

  /// Bytes in the file.
  ///
  /// - Throws: `TorchError` for a shape that no tensor can have.
  public var byteCount: Int {
    get throws {
      guard let count = elementCount(shape) else {
        throw TorchError.operatorFailed(name: "tensor \(name) to be written", message: "has impossible shape \(shape)")
      }
      return count * dtype.size
    }
  }
}

/// Writes safetensors files, atomically: a file appears whole or not at all.
public enum SafetensorsWriter {
  /// Writes one file with the tensors in the given order.
  ///
  /// - Throws: `FileError.failed`, `TensorFileError.malformed` for names that repeat, `TorchError`, or what an item's `load` throws.
  public static func write(_ items: [SafetensorsItem], to url: URL, metadata: [String: String] = ["format": "pt"]) throws {
    let head = try header(items, metadata, url)
    try WholeFile.write(to: url) { descriptor in
      try head.withUnsafeBytes { try writeAll($0, to: descriptor, url) }
      for item in items {
        let tensor = try withoutGradient { try item.load().to(.cpu).to(item.dtype) }
        try tensor.requireShape(item.shape, "tensor \(item.name) to be written")
        try tensor.withBytes { try writeAll($0, to: descriptor, url) }
      }
    }
  }

  /// Writes `model.safetensors`, or shards of at most `shardBytes` with their index where that is exceeded.
  ///
  /// - Throws: as `write`.
  public static func write(
    _ items: [SafetensorsItem], toFolder folder: URL, shardBytes: Int = 5_000_000_000,
    metadata: [String: String] = ["format": "pt"]
  ) throws {
    var shards: [[SafetensorsItem]] = [[]]
    var (size, total) = (0, 0)
    for item in items {
      let bytes = try item.byteCount
      if bytes > max(0, shardBytes) - size, !shards[shards.count - 1].isEmpty {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(item)
      size += bytes
      total += bytes
    }
    if shards.count == 1 {
      return try write(items, to: folder.appendingPathComponent("model.safetensors"), metadata: metadata)
    }
    var map: [String: String] = [:]
    for (number, shard) in shards.enumerated() {
      let name = "model-\(padded(number + 1))-of-\(padded(shards.count)).safetensors"
      for item in shard { map[item.name] = name }
      try write(shard, to: folder.appendingPathComponent(name), metadata: metadata)
    }
    let index = folder.appendingPathComponent("model.safetensors.index.json")
    try WholeFile.write(json: Index(metadata: ["total_size": total], weight_map: map), to: index, pretty: true)
  }

  private struct Index: Encodable {
    let metadata: [String: Int]
    let weight_map: [String: String]
  }

  private struct Fields: Encodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  private enum Value: Encodable {
    case fields(Fields)
    case metadata([String: String])

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .fields(let fields): try fields.encode(to: encoder)
      case .metadata(let metadata): try metadata.encode(to: encoder)
      }
    }
  }

  private static func header(_ items: [SafetensorsItem], _ metadata: [String: String], _ url: URL) throws -> Data {
    var values: [String: Value] = metadata.isEmpty ? [:] : ["__metadata__": .metadata(metadata)]
    var position = 0
    for item in items {
      let end = try position + item.byteCount
      let fields = Fields(dtype: SafetensorsFormat.name(of: item.dtype), shape: item.shape, data_offsets: [position, end])
      guard values.updateValue(.fields(fields), forKey: item.name) == nil else {
        throw TensorFileError.malformed(file: url.path, reason: "two tensors to be written are named \(item.name)")
      }
      position = end
    }
    var json = try values.jsonData()
    // The tensors start at a multiple of 8, as the format asks.
    json.append(Data(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
    var length = UInt64(json.count).littleEndian
    return withUnsafeBytes(of: &length) { Data($0) } + json
  }

  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
