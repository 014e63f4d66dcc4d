import Basics
import Foundation

/// Scalars over steps in the format of TensorBoard.
///
/// The file is a row of records (length, checksum, bytes, checksum; all little-endian, as TensorFlow's `record_writer.h` says), each
/// an `Event` message of `event.proto`: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5, and of a summary
/// value = 1 with tag = 1 (string) and simple_value = 2 (float). Six fields, which are written by hand.
public final class EventFile {
  private let handle: FileHandle
  private let path: String

  /// Begins a file in a folder; a run that goes on begins another one, which TensorBoard shows as one with those before it.
  ///
  /// - Throws: `FileError.failed`.
  public init(in folder: URL, host: String = "epic", time: Date = Date(), process: Int32 = getpid()) throws {
    let name = "events.out.tfevents.\(Int(time.timeIntervalSince1970)).\(host).\(process).\(UInt32.random(in: 0...UInt32.max))"
    let url = folder.appending(path: name)
    path = url.relativePath
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data().write(to: url)
      handle = try FileHandle(forWritingTo: url)
    } catch {
      throw FileError.failed(path: url.relativePath, reason: systemReason(error))
    }
    try write(Self.event(time: time, step: 0, Field.bytes(3, Array("brain.Event:2".utf8))))
  }

  /// Adds values at a step.
  ///
  /// - Throws: `FileError.failed`.
  public func append(_ scalars: [(name: String, value: Double)], step: Int, time: Date = Date()) throws {
    let values = scalars.flatMap { Field.bytes(1, Field.bytes(1, Array($0.name.utf8)) + Field.float(2, Float($0.value))) }
    try write(Self.event(time: time, step: step, Field.bytes(5, values)))
  }

  private static func event(time: Date, step: Int, _ what: [UInt8]) -> [UInt8] {
    Field.double(1, time.timeIntervalSince1970) + Field.integer(2, step) + what
  }

  private func write(_ bytes: [UInt8]) throws {
    let length = littleEndian(UInt64(bytes.count))
    do {
      try handle.write(
        contentsOf: length + littleEndian(Self.maskedChecksum(length)) + bytes + littleEndian(Self.maskedChecksum(bytes)))
    } catch {
      throw FileError.failed(path: path, reason: systemReason(error))
    }
  }

  /// CRC-32C (Castagnoli), turned and offset as TensorFlow's `crc32c.h` says, so that checksums of checksums are not degenerate.
  static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = ~0
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
    crc = ~crc
    return (crc >> 15 | crc << 17) &+ 0xa282_ead8
  }
}

/// Fields of a protocol buffer message.
private enum Field {
  static func bytes(_ number: Int, _ value: [UInt8]) -> [UInt8] { varint(number << 3 | 2) + varint(value.count) + value }
  static func integer(_ number: Int, _ value: Int) -> [UInt8] { varint(number << 3) + varint(value) }
  static func double(_ number: Int, _ value: Double) -> [UInt8] { varint(number << 3 | 1) + littleEndian(value.bitPattern) }
  static func float(_ number: Int, _ value: Float) -> [UInt8] { varint(number << 3 | 5) + littleEndian(value.bitPattern) }

  private static func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(bitPattern: Int64(value))
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
