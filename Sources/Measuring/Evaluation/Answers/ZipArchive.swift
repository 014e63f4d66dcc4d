import Foundation

/// A ZIP archive whose files are stored as they are (PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16).
///
/// Every file's time is 1 January 1980, so that the same content gives the same bytes.
struct ZipArchive {
  let files: [(name: String, contents: [UInt8])]

  var data: Data {
    var result: [UInt8] = []
    var directory: [UInt8] = []
    for (name, contents) in files {
      let name = Array(name.utf8)
      let common =
        Self.bytes(20 as UInt16) + Self.bytes(0x0800 as UInt16) + Self.bytes(0 as UInt16) + Self.bytes(0 as UInt16)
        + Self.bytes(0x0021 as UInt16) + Self.bytes(Self.checksum(contents)) + Self.bytes(UInt32(contents.count))
        + Self.bytes(UInt32(contents.count)) + Self.bytes(UInt16(name.count)) + Self.bytes(0 as UInt16)
      directory +=
        Self.bytes(0x0201_4b50 as UInt32) + Self.bytes(20 as UInt16) + common + [UInt8](repeating: 0, count: 10)
        + Self.bytes(UInt32(result.count)) + name
      result += Self.bytes(0x0403_4b50 as UInt32) + common + name + contents
    }
    let count = UInt16(files.count)
    let end =
      Self.bytes(0x0605_4b50 as UInt32) + Self.bytes(0 as UInt32) + Self.bytes(count) + Self.bytes(count)
      + Self.bytes(UInt32(directory.count)) + Self.bytes(UInt32(result.count)) + Self.bytes(0 as UInt16)
    return Data(result + directory + end)
  }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

  /// CRC-32 with the polynomial of Ethernet.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0 as UInt32) { (table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)]) ^ ($0 >> 8) }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
  }
}
