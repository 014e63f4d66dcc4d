import Foundation
import TestSupport
import Testing

@testable import Imaging

/// Decoding against Pillow's view of the same files.
@Suite struct DecodingTests {
  private let golden: Golden

  init() throws {
    golden = try Golden(Folder.resources.appendingPathComponent("expected.safetensors"))
  }

  private func resource(_ name: String) throws -> Data { try Data(contentsOf: Folder.resources.appendingPathComponent(name)) }

  @Test func everyKindOfFileEqualsPillow() throws {
    let names = golden.entries.keys.filter { $0.hasPrefix("rgb/") }.map { String($0.dropFirst(4)) }
    #expect(names.count > 50)
    for name in names.sorted() {
      let image = try RGBImage(contentsOf: Folder.resources.appendingPathComponent(name))
      let worst = difference(image, try golden.image("rgb/\(name)"))
      #expect(worst == 0, "\(name): off by \(worst.map(String.init) ?? "size")")
    }
  }

  @Test func formatIsToldFromContentNotFromName() throws {
    let scratch = try Scratch()
    let folder = scratch.url
    defer { withExtendedLifetime(scratch) {} }
    for (source, disguise) in [("plain.gif", "a.jpg"), ("420.jpg", "b.png"), ("lossy.webp", "c.gif"), ("rgb8.png", "d")] {
      let url = folder.appendingPathComponent(disguise)
      try resource(source).write(to: url)
      #expect(try RGBImage(contentsOf: url) == golden.image("rgb/\(source)"), "\(source) as \(disguise)")
    }
  }

  /// A JPEG file with an EXIF segment in front.
  private func jpeg(orientation: UInt16, bigEndian: Bool) throws -> Data {
    func bytes(_ value: UInt16) -> [UInt8] {
      let pair = [UInt8(value >> 8), UInt8(value & 0xFF)]
      return bigEndian ? pair : pair.reversed()
    }
    func long(_ value: UInt16) -> [UInt8] { bigEndian ? bytes(0) + bytes(value) : bytes(value) + bytes(0) }
    // Header, then a directory of two entries: some other tag (0x010F) and the orientation.
    var tiff = Array((bigEndian ? "MM" : "II").utf8) + bytes(42) + long(8) + bytes(2)
    tiff += bytes(0x010F) + bytes(3) + long(1) + bytes(7) + bytes(0)
    tiff += bytes(0x0112) + bytes(3) + long(1) + bytes(orientation) + bytes(0) + long(0)
    let payload = Array("Exif".utf8) + [0, 0] + tiff
    let plain = try resource("420.jpg")
    let length = payload.count + 2
    return Data(plain.prefix(2) + [0xFF, 0xE1, UInt8(length >> 8), UInt8(length & 0xFF)] + payload + plain.dropFirst(2))
  }

  @Test(arguments: 1...8, [false, true])
  func everyOrientationEqualsPillow(value: Int, bigEndian: Bool) throws {
    let data = try jpeg(orientation: UInt16(value), bigEndian: bigEndian)
    let upright = try RGBImage(data: data, name: "test", orientation: .honoured)
    #expect(try upright == golden.image("upright/\(value)"))
    #expect(try RGBImage(data: data, name: "test") == golden.image("rgb/420.jpg"))
  }

  @Test(arguments: ["turned.png", "turned.webp"])
  func otherContainersCarryAnOrientation(name: String) throws {
    let upright = try RGBImage(data: resource(name), name: name, orientation: .honoured)
    #expect(try upright == golden.image("upright/\(name)"))
  }

  @Test func senselessOrientationsAreIgnored() throws {
    for value: UInt16 in [0, 9, 65_535] {
      let image = try RGBImage(data: jpeg(orientation: value, bigEndian: true), name: "test", orientation: .honoured)
      #expect(try image == golden.image("rgb/420.jpg"))
    }
  }

  @Test func turningBackGivesTheSamePicture() throws {
    let image = try noise(width: 5, height: 3, seed: 1)
    for (turn, back) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
      let there = try #require(ExifTurn(orientation: turn))
      let again = try #require(ExifTurn(orientation: back))
      #expect(image.turned(there).turned(again) == image, "\(turn)")
    }
  }

  @Test func strayBytesBetweenSegmentsAreHarmless() throws {
    let plain = try resource("420.jpg")
    let padded = Data(plain.dropLast(2) + [0x00, 0x13, 0x37] + plain.suffix(2))
    #expect(try RGBImage(data: padded, name: "test") == golden.image("rgb/420.jpg"))
  }

  @Test func writtenPNGReadsBackEqual() throws {
    let scratch = try Scratch()
    let folder = scratch.url
    defer { withExtendedLifetime(scratch) {} }
    for (i, (width, height)) in [(1, 1), (3, 200), (211, 2), (64, 64)].enumerated() {
      let image = try noise(width: width, height: height, seed: UInt64(i))
      let url = folder.appendingPathComponent("picture.png")
      try image.writePNG(to: url)
      #expect(try RGBImage(contentsOf: url) == image)
      #expect(try RGBImage(data: image.pngData(), name: "test") == image)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["picture.png"])
  }
}
