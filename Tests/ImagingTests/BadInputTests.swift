import Foundation
import TestSupport
import Testing

@testable import Imaging

/// Files that are not what they should be: one sentence that names the file, never a crash.
@Suite struct BadInputTests {
  private func resource(_ name: String) throws -> Data { try Data(contentsOf: Folder.resources.appendingPathComponent(name)) }

  private func error(_ data: Data, limits: ImageLimits = .standard) throws -> String {
    let error = try #require(throws: ImagingError.self) { try RGBImage(data: data, name: "dir/cat.jpg", limits: limits) }
    let sentence = error.description
    #expect(sentence.hasPrefix("dir/cat.jpg: ") && sentence.hasSuffix(".") && !sentence.contains("\n"), "\(sentence)")
    #expect(error.localizedDescription == sentence)
    return sentence
  }

  private func error(at url: URL, limits: ImageLimits = .standard) throws -> String {
    let error = try #require(throws: ImagingError.self) { try RGBImage(contentsOf: url, limits: limits) }
    #expect(error.description.contains(url.lastPathComponent) && !error.description.contains("\n"))
    return error.description
  }

  /// A copy with some bytes replaced.
  private func patched(_ name: String, at offset: Int, _ bytes: [UInt8]) throws -> Data {
    var data = try resource(name)
    data.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    return data
  }

  /// A copy of a PNG with another size in its header and a matching checksum.
  private func png(width: UInt32, height: UInt32) throws -> Data {
    func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    var data = try patched("rgb8.png", at: 16, bytes(width) + bytes(height))
    var crc: UInt32 = .max
    for byte in data[12..<29] {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    data.replaceSubrange(29..<33, with: bytes(~crc))
    return data
  }

  @Test func errorsStayOnOneLine() throws {
    let error = try #require(throws: ImagingError.self) { try RGBImage(data: Data(), name: "two\nlines.png") }
    #expect(error.description.hasPrefix("two lines.png: the file is empty"))
  }

  @Test func filesThatCannotBeRead() throws {
    let scratch = try Scratch()
    let folder = scratch.url
    defer { withExtendedLifetime(scratch) {} }
    #expect(try error(at: folder.appendingPathComponent("missing.jpg")).contains("No such file"))
    #expect(try error(at: folder).contains("it is a folder"))
    #expect(try error(at: URL(fileURLWithPath: "/dev/zero")).contains("not a regular file"))
    #expect(try error(at: URL(string: "https://example.org/cat.jpg")!).contains("not a file URL"))
    let pipe = folder.appendingPathComponent("pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    #expect(try error(at: pipe).contains("not a regular file"))
    let empty = folder.appendingPathComponent("empty.jpg")
    try Data().write(to: empty)
    #expect(try error(at: empty).contains("empty"))
    #expect(try error(at: Folder.resources.appendingPathComponent("420.jpg"), limits: .init(maximumBytes: 99)).contains("99"))
  }

  @Test(
    arguments: [
      ("BMP", [0x42, 0x4D, 0x36, 0x00]), ("TIFF", [0x49, 0x49, 0x2A, 0x00]), ("TIFF", [0x4D, 0x4D, 0x00, 0x2A]),
      ("AVIF", [0, 0, 0, 0x20] + Array("ftypavif".utf8)), ("HEIF", [0, 0, 0, 0x18] + Array("ftypheic".utf8)),
      ("JPEG 2000", [0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]), ("JPEG XL", [0xFF, 0x0A]), ("ICO", [0, 0, 1, 0]),
      ("PDF", Array("%PDF-1.7".utf8)),
    ] as [(String, [UInt8])])
  func otherFormatsAreNamed(format: String, start: [UInt8]) throws {
    #expect(try error(Data(start + [UInt8](repeating: 0, count: 60))).contains("\(format) images are not supported"))
  }

  @Test(arguments: [
    "", "\u{FF}", "not an image\n", "<html><body>404</body></html>", "GIF", "GIF88a", "RIFF....WAVE", "RIFF", "ftypavif",
    "version https://git-lfs.github.com/spec/v1\n",
  ])
  func contentThatIsNoImage(text: String) throws {
    let sentence = try error(Data(text.utf8))
    #expect(sentence.contains(text.isEmpty ? "the file is empty" : "not an image"))
  }

  @Test(arguments: [
    "420.jpg", "progressive.jpg", "cmyk.jpg", "gray.jpg", "rgb8.png", "palette8_interlaced.png", "lossy.webp", "lossless.webp",
    "lossy_alpha.webp", "animated.webp", "plain.gif", "interlaced.gif",
  ])
  func truncatedFiles(name: String) throws {
    let whole = try resource(name)
    for kept in [12, 30, whole.count / 4, whole.count / 2, whole.count * 3 / 4] {
      // Half of an animation can hold all of its first frame.
      if name == "animated.webp" && kept >= whole.count / 2 { continue }
      #expect(try error(whole.prefix(kept)).contains("truncated or damaged"), "\(name), \(kept) bytes")
    }
  }

  @Test func claimsOfImpossibleSizes() throws {
    #expect(try error(png(width: 60_000, height: 60_000)).contains("60000x60000"))
    #expect(try error(png(width: 0x7FFF_FFFF, height: 0x7FFF_FFFF)).contains("more than the limit"))
    #expect(try error(png(width: .max, height: .max)).contains("more than the limit"))
    #expect(try error(png(width: 100_000, height: 1)).contains("65535 a side"))
    #expect(try error(png(width: 0, height: 0)).contains("0x0"))
    #expect(try error(png(width: 5, height: 0)).contains("5x0"))
    // In a GIF the first frame follows the header, screen and 4 colours.
    let frame = 13 + 4 * 3 + 1 + 4
    #expect(try error(patched("partial.gif", at: 6, [0xFF, 0xFF, 0xFF, 0xFF])).contains("65535x65535"))
    #expect(try error(patched("beyond_screen.gif", at: frame, [0, 0, 0, 0])).contains("first frame is empty"))
    var nothing = try patched("local_colors.gif", at: 6, [0, 0, 0, 0])
    nothing.replaceSubrange(14..<22, with: [UInt8](repeating: 0, count: 8))
    #expect(try error(nothing).contains("0x0"))
    #expect(try error(resource("420.jpg"), limits: .init(maximumPixels: 1_000)).contains("1000 pixels"))
    #expect(try error(resource("420.jpg"), limits: .init(maximumBytes: 500)).contains("limit of 500"))
    // Without limits the sizes must still be counted without overflow.
    let boundless = ImageLimits(maximumPixels: .max, maximumBytes: .max, maximumSide: .max)
    #expect(try error(png(width: .max, height: .max), limits: boundless).contains("more than the limit"))
  }

  @Test func jpegWithoutHeight() throws {
    var data = try resource("420.jpg")
    let frame = try #require(data.indices.first { data[$0] == 0xFF && data[$0 + 1] == 0xC0 })
    data.replaceSubrange((frame + 5)..<(frame + 7), with: [0, 0])
    #expect(try error(data).contains("truncated or damaged"))
  }

  @Test func corruptContent() throws {
    // A palette length that is no multiple of three, compressed data that are not, a checksum that is wrong.
    #expect(try error(patched("palette8.png", at: 33, [0, 0, 0, 7])).contains("PNG"))
    let zlib = try #require(resource("rgb8.png").range(of: Data("IDAT".utf8))).upperBound
    #expect(try error(patched("rgb8.png", at: zlib, [1, 2, 3, 4, 5, 6])).contains("PNG"))
    #expect(try error(patched("rgb8.png", at: 29, [0, 0, 0, 0])).contains("CRC"))
    #expect(try error(patched("rgb8.png", at: 24, [77])).contains("PNG"))
    #expect(try error(patched("rgb8.png", at: 12, Array("tEXt".utf8))).contains("header is missing"))
    #expect(
      try error(patched("plain.gif", at: resource("plain.gif").count - 60, [UInt8](repeating: 0xFF, count: 50))).contains("GIF"))
    #expect(try error(patched("lossless.webp", at: 40, [UInt8](repeating: 0xFF, count: 200))).contains("WebP"))
    #expect(try error(patched("420.jpg", at: 2, [0xFF, 0xD9])).contains("JPEG"))
    #expect(try error(Data([0xFF, 0xD8, 0xFF, 0xD9])).contains("JPEG"))
  }

  @Test func gifWithoutFrames() throws {
    let header = try resource("partial.gif").prefix(13 + 4 * 3)
    #expect(try error(header + [0x3B]).contains("no frames"))
    #expect(try error(header + [0x21, 0xFE, 0x02, 0x41, 0x42, 0x00, 0x3B]).contains("no frames"))
    #expect(try error(header).contains("end too early"))
  }

  @Test func randomDamageGivesAPictureOrAnError() throws {
    var random = SplitMix(seed: 11)
    let names = try FileManager.default.contentsOfDirectory(atPath: Folder.resources.path).sorted()
    let limits = ImageLimits(maximumPixels: 1 << 20)
    for name in names where ["jpg", "png", "webp", "gif"].contains((name as NSString).pathExtension) {
      let whole = try resource(name)
      for _ in 0..<40 {
        var data = whole
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          data[Int.random(in: 0..<min(data.count, 400), using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) { data = data.prefix(Int.random(in: 0...data.count, using: &random)) }
        do {
          let image = try RGBImage(data: data, name: name, orientation: .honoured, limits: limits)
          #expect(image.pixels.count == 3 * image.width * image.height)
        } catch {
          #expect(error is ImagingError)
        }
      }
    }
  }

  @Test func damagedExifIsIgnored() throws {
    var random = SplitMix(seed: 12)
    for name in ["turned.png", "turned.webp"] {
      let whole = try resource(name)
      let start = try #require(whole.range(of: Data(name == "turned.png" ? "eXIf".utf8 : "EXIF".utf8))).lowerBound
      for _ in 0..<200 {
        var data = whole
        data[Int.random(in: start..<data.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        data.withUnsafeBytes { _ = ExifTurn(in: $0) }
      }
    }
  }

  @Test func buffersThatDoNotFitTheirSize() {
    for (width, height, count) in [(0, 0, 0), (1, 1, 2), (-1, -1, 3), (.max, .max, 3), (.max, 1, 3), (2, 2, 13)] {
      #expect(throws: ImagingError.self) {
        try RGBImage(width: width, height: height, pixels: [UInt8](repeating: 0, count: count))
      }
    }
  }

  @Test func foldersThatCannotBeWrittenTo() throws {
    let image = try noise(width: 2, height: 2, seed: 0)
    let error = try #require(throws: ImagingError.self) {
      try image.writePNG(to: URL(fileURLWithPath: "/nonexistent/folder/picture.png"))
    }
    #expect(error.description.contains("/nonexistent/folder/picture.png: the image cannot be written (No such file"))
  }
}
