import Foundation

/// A number that changes with what it is made from: FNV-1a of 64 bits, the same in every process and on every machine.
///
/// What goes in has to be a value in an order that follows from it: bytes, numbers, JSON with sorted keys. A description may change with
/// the compiler, and the elements of a set come in another order in every process.
public struct StableHash: Sendable {
  /// The number.
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  private static let prime: UInt64 = 0x0000_0100_0000_01b3

  /// The hash of nothing.
  public init() {}

  /// The FNV-1a hash of bytes.
  public init(_ bytes: some Sequence<UInt8>) { add(bytes) }

  /// 16 hexadecimal digits.
  public var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Adds bytes one by one, as FNV-1a says; where they end does not show.
  public mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* Self.prime }
  }

  /// Adds a number as its eight bytes, the lowest first.
  public mutating func add(_ number: Int) { withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { add($0) } }

  /// Adds bytes eight at a time, and then their number: for much, and for parts that must not run into each other.
  public mutating func addBlock(_ bytes: UnsafeRawBufferPointer) {
    let words = bytes.count / 8
    for index in 0..<words { mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))) }
    for byte in bytes[(8 * words)...] { mix(UInt64(byte)) }
    mix(UInt64(bytes.count))
  }

  /// Adds a text as a block.
  public mutating func addBlock(_ text: String) {
    var text = text
    text.withUTF8 { addBlock(UnsafeRawBufferPointer($0)) }
  }

  /// Adds bytes as a block.
  public mutating func addBlock(_ data: Data) { data.withUnsafeBytes { addBlock($0) } }

  /// Adds a value as a block of JSON with sorted keys; a set in it must encode its elements in order.
  ///
  /// - Throws: `EncodingError` for a number that is not finite.
  public mutating func addBlock(json value: some Encodable) throws {
    addBlock(try value.jsonData())
  }

  private mutating func mix(_ word: UInt64) {
    // The shift brings high bits back down, which a multiplication alone moves upwards only.
    value = (value ^ word) &* Self.prime
    value ^= value >> 29
  }
}
