import Foundation

/// A safetensors file, opened by memory map: 8 bytes of header length, a JSON header, and the tensors' bytes.
///
/// Opening checks the whole header (lengths, offsets, overlaps, gaps), so a tensor can be read without further checks. Nothing is
/// read before it is asked for.
public final class SafetensorsFile: TensorFile {
  /// Path of the file, for messages.
  public let path: String
  /// All tensors by name.
  public let entries: [String: TensorEntry]
  /// The strings under `__metadata__`.
  public let metadata: [String: String]

  private let map: MappedFile
  private let ranges: [String: Range<Int>]

  /// Opens a file and checks its header.
  ///
  /// - Throws: `TensorFileError`.
  public init(_ url: URL) throws {
    path = url.path
    map = try MappedFile(url)
    let header = try SafetensorsFormat.header(map, path)
    entries = header.entries
    ranges = header.ranges
    metadata = header.metadata
  }

  /// Reads a tensor into memory of its own, in the given element type and on the given device.
  ///
  /// The file's pages are let go afterwards, so that loading a model never holds more than one tensor twice.
  ///
  /// - Throws: `TensorFileError.missing`, `.unsupportedDType`, `TorchError`.
  public func tensor(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    let (entry, stored) = try readable(name)
    guard let range = ranges[name] else { throw TensorFileError.missing(tensor: name, file: path) }
    return try map.tensor(range, entry.shape, stored, as: dtype ?? stored, on: device)
  }
}

/// The rules of the header.
enum SafetensorsFormat {
  static let dtypes: [String: DType] = [
    "F32": .float32, "BF16": .bfloat16, "F16": .float16, "F64": .float64, "I64": .int64, "I32": .int32, "I16": .int16,
    "I8": .int8,
    "BOOL": .bool, "U8": .uint8, "U16": .uint16, "U32": .uint32, "U64": .uint64,
  ]
  /// Sizes of the types that may stand in a file although no tensor is made of them.
  static let otherSizes: [String: Int] = [
    "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "C64": 8,
  ]
  static let longestHeader = 100_000_000

  private static let names = Dictionary(uniqueKeysWithValues: dtypes.map { ($0.value, $0.key) })

  static func name(of dtype: DType) -> String { names[dtype] ?? dtype.rawValue }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private struct Fields: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  private struct Header: Decodable {
    var tensors: [(name: String, fields: Fields)] = []
    var metadata: [String: String] = [:]

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      for key in container.allKeys {
        if key.stringValue == "__metadata__" {
          metadata = try container.decode([String: String].self, forKey: key)
        } else {
          tensors.append((key.stringValue, try container.decode(Fields.self, forKey: key)))
        }
      }
    }
  }

  static func header(
    _ map: MappedFile, _ path: String
  ) throws -> (entries: [String: TensorEntry], ranges: [String: Range<Int>], metadata: [String: String]) {
    func malformed(_ reason: String) -> TensorFileError { .malformed(file: path, reason: reason) }
    let length = map.bytes(0..<8).loadUnaligned(as: UInt64.self).littleEndian
    guard length <= longestHeader else { throw malformed("its header claims \(length) bytes, over \(longestHeader)") }
    let dataStart = 8 + Int(length)
    guard dataStart <= map.count else { throw TensorFileError.truncated(file: path, found: map.count, expected: dataStart) }
    let header: Header
    do {
      header = try JSONDecoder().decode(Header.self, from: Data(map.bytes(8..<dataStart)))
    } catch DecodingError.keyNotFound(let key, let context) {
      throw malformed("entry \(context.codingPath.map(\.stringValue).joined(separator: ".")) has no \(key.stringValue)")
    } catch DecodingError.typeMismatch(_, let context) {
      throw malformed("entry \(context.codingPath.map(\.stringValue).joined(separator: ".")) is of the wrong type")
    } catch {
      throw malformed("its header is not JSON")
    }

    var entries: [String: TensorEntry] = [:]
    var ranges: [String: Range<Int>] = [:]
    for (name, fields) in header.tensors {
      guard let size = dtypes[fields.dtype]?.size ?? otherSizes[fields.dtype] else {
        throw malformed("tensor \(name) has unknown dtype \(fields.dtype)")
      }
      guard let bytes = elementCount(fields.shape).map({ $0 * size }) else {
        throw malformed("tensor \(name) has impossible shape \(fields.shape)")
      }
      guard fields.data_offsets.count == 2, let begin = fields.data_offsets.first, let end = fields.data_offsets.last, begin >= 0,
        end >= begin, end <= Int.max - dataStart
      else { throw malformed("tensor \(name) has impossible offsets \(fields.data_offsets)") }
      guard end - begin == bytes else {
        throw malformed("tensor \(name) of shape \(fields.shape) takes \(bytes) bytes, its offsets span \(end - begin)")
      }
      entries[name] = TensorEntry(name: name, storedType: fields.dtype, shape: fields.shape, byteCount: bytes)
      ranges[name] = dataStart + begin..<dataStart + end
    }

    var position = dataStart
    for (name, range) in ranges.sorted(by: {
      ($0.value.lowerBound, $0.value.upperBound) < ($1.value.lowerBound, $1.value.upperBound)
    }) {
      guard range.lowerBound == position else {
        let what = range.lowerBound < position ? "overlaps the one before" : "leaves a gap before itself"
        throw malformed("tensor \(name) \(what)")
      }
      position = range.upperBound
    }
    guard position <= map.count else { throw TensorFileError.truncated(file: path, found: map.count, expected: position) }
    guard position == map.count else { throw malformed("\(map.count - position) bytes follow the last tensor") }
    return (entries, ranges, header.metadata)
  }
}
