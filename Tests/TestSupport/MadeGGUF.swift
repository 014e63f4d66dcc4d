import Foundation

/// A GGUF file put together from parts, right or wrong.
public struct MadeGGUF: Sendable {
  /// A key with the number of its value's type and the value's bytes.
  public typealias Key = (name: String, type: UInt32, value: [UInt8])
  /// A tensor: sizes with the innermost first, ggml's number of its type, and its bytes.
  public typealias Entry = (name: String, sizes: [UInt64], type: UInt32, data: [UInt8])

  /// Of the format.
  public var version: UInt32 = 3
  /// Where tensors may begin.
  public var alignment = 32
  /// The metadata in order.
  public var keys: [Key] = []
  /// The tensors in order.
  public var tensors: [Entry] = []
  /// Where tensors begin that do not follow the one before.
  public var offsets: [String: UInt64] = [:]

  /// A file with nothing in it.
  public init() {}

  /// A whole number, little-endian.
  public static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  /// A text behind its length.
  public static func bytes(_ text: String) -> [UInt8] { bytes(UInt64(text.utf8.count)) + Array(text.utf8) }

  /// Values of one type behind the type and their number.
  public static func list(_ type: UInt32, _ values: [[UInt8]]) -> [UInt8] {
    bytes(type) + bytes(UInt64(values.count)) + values.joined()
  }

  /// Adds a whole number.
  public mutating func add(_ name: String, _ value: Int) { keys.append((name, 4, Self.bytes(UInt32(value)))) }
  /// Adds a number of single precision.
  public mutating func add(_ name: String, _ value: Float) { keys.append((name, 6, Self.bytes(value.bitPattern))) }
  /// Adds a text.
  public mutating func add(_ name: String, _ value: String) { keys.append((name, 8, Self.bytes(value))) }
  /// Adds a list of texts.
  public mutating func add(_ name: String, _ values: [String]) {
    keys.append((name, 9, Self.list(8, values.map { Self.bytes($0) })))
  }

  /// Adds numbers of single precision.
  ///
  /// - Parameter shape: with the innermost last.
  public mutating func add(_ name: String, shape: [Int], _ numbers: [Float]) {
    tensors.append((name, shape.reversed().map { UInt64($0) }, 0, numbers.flatMap { Self.bytes($0.bitPattern) }))
  }

  /// The file.
  public var data: Data {
    var head = Array("GGUF".utf8) + Self.bytes(version) + Self.bytes(UInt64(tensors.count)) + Self.bytes(UInt64(keys.count))
    for key in keys { head += Self.bytes(key.name) + Self.bytes(key.type) + key.value }
    var body: [UInt8] = []
    for tensor in tensors {
      body += [UInt8](repeating: 0, count: (alignment - body.count % alignment) % alignment)
      head += Self.bytes(tensor.name) + Self.bytes(UInt32(tensor.sizes.count)) + tensor.sizes.flatMap { Self.bytes($0) }
      head += Self.bytes(tensor.type) + Self.bytes(offsets[tensor.name] ?? UInt64(body.count))
      body += tensor.data
    }
    return Data(head + [UInt8](repeating: 0, count: (alignment - head.count % alignment) % alignment) + body)
  }

  /// Writes it into a folder.
  public func write(to folder: URL, as name: String = "made.gguf") throws -> URL {
    let url = folder.appending(path: name)
    try data.write(to: url)
    return url
  }
}
