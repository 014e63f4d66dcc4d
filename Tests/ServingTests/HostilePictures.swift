import Foundation
import Imaging
import TestModels

extension HostileRow {
  private static func png(_ data: [UInt8], type: String = "image/png") -> String {
    Body.picture(Body.uri(Data(data), type: type))
  }

  private static func big(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

  private static func crc(_ bytes: [UInt8]) -> [UInt8] {
    var remainder: UInt32 = .max
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 { remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xEDB8_8320 : remainder >> 1 }
    }
    return big(Int(~remainder))
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    big(data.count) + Array(name.utf8) + data + crc(Array(name.utf8) + data)
  }

  /// A PNG of a size that its few bytes cannot hold.
  private static func claimedPNG(_ width: Int, _ height: Int, more: [UInt8] = []) -> [UInt8] {
    [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", big(width) + big(height) + [8, 2, 0, 0, 0]) + more
      + chunk("IDAT", [UInt8](repeating: 0, count: 64)) + chunk("IEND", [])
  }

  /// The house as JPEG with another size in its header.
  private static func claimedJPEG(_ width: Int, _ height: Int) -> [UInt8] {
    guard let data = try? TestModel.drawing().jpegData(quality: 80) else { return [] }
    var bytes = Array(data)
    if let frame = bytes.indices.first(where: {
      $0 + 9 < bytes.count && bytes[$0] == 0xFF && (bytes[$0 + 1] == 0xC0 || bytes[$0 + 1] == 0xC2)
    }) {
      bytes.replaceSubrange((frame + 5)..<(frame + 9), with: big(height << 16 | width))
    }
    return bytes
  }

  private static func plain(_ width: Int, _ height: Int) -> String {
    let pixels = [UInt8](repeating: 100, count: 3 * width * height)
    let data = try? RGBImage(width: width, height: height, pixels: pixels).pngData()
    return Body.picture(Body.uri(data ?? Data()))
  }

  /// Rows about what pictures hold.
  static let pictures: [HostileRow] = {
    let house = Array(Body.house)
    var flipped = house
    for place in stride(from: 60, to: house.count, by: 97) { flipped[place] ^= 0x10 }
    return [
      .init(34, "no comma", Body.picture("data:image/png;base64"), code: "invalid_image"),
      .init(34, "not base64", Body.picture("data:image/png;base64,***"), code: "invalid_image"),
      .init(34, "bad padding", Body.picture("data:image/png;base64,AAA"), code: "invalid_image"),
      .init(34, "no bytes", Body.picture("data:image/png;base64,"), code: "invalid_image"),
      .init(34, "percent-encoded", Body.picture("data:image/png,%89PNG"), code: "invalid_image"),
      .init(34, "a page", Body.picture("data:text/html;base64,AAAA"), code: "invalid_image"),
      .init(35, "PNG of 60,000²", png(claimedPNG(60_000, 60_000)), code: "image_too_large"),
      .init(35, "JPEG of 65,500²", png(claimedJPEG(65_500, 65_500), type: "image/jpeg"), code: "image_too_large"),
      .init(
        35, "2 GB of text announced", png(claimedPNG(8, 8, more: big(0x7FFF_FFFF) + Array("tEXt".utf8))), code: "invalid_image"),
      .init(36, "1 × 1", plain(1, 1), 200), .init(36, "1 × 1,000", plain(1, 1000), 200),
      .init(36, "1,000 × 1", plain(1000, 1), 200),
      .init(36, "1 × 50,000", plain(1, 50_000), code: "image_too_large"), .init(36, "0 × 8", png(claimedPNG(0, 8))),
      .init(36, "8 × 0", png(claimedPNG(8, 0))),
      .init(37, "truncated", png(Array(house.prefix(house.count / 2))), code: "invalid_image"),
      .init(37, "bit-flipped", png(flipped), code: "invalid_image"), .init(37, "wrong type", png(house, type: "image/jpeg"), 200),
      .init(37, "polyglot", png(house + Array("<script>alert(1)</script>".utf8)), 200),
      .init(
        38, "SVG", png(Array("<svg xmlns='http://www.w3.org/2000/svg'/>".utf8), type: "image/svg+xml"),
        code: "unsupported_image_format"),
      .init(38, "FITS", png(Array("SIMPLE  =                    T".utf8)), code: "unsupported_image_format"),
      .init(38, "PSD", png(Array("8BPS\0\u{1}".utf8) + [UInt8](repeating: 0, count: 40)), code: "unsupported_image_format"),
      .init(38, "EPS", png(Array("%!PS-Adobe-3.0 EPSF-3.0\n".utf8)), code: "unsupported_image_format"),
      .init(38, "TIFF", png([0x49, 0x49, 0x2A, 0] + [UInt8](repeating: 0, count: 40)), code: "unsupported_image_format"),
      .init(
        38, "HEIC", png([0, 0, 0, 24] + Array("ftypheic".utf8) + [UInt8](repeating: 0, count: 40)),
        code: "unsupported_image_format"),
      .init(38, "PDF", png(Array("%PDF-1.7\n".utf8)), code: "unsupported_image_format"),
      .init(
        38, "MP4", png([0, 0, 0, 24] + Array("ftypisom".utf8) + [UInt8](repeating: 0, count: 40)),
        code: "unsupported_image_format"),
      .init(
        39, "1,000 pictures",
        Body.chat(
          messages: "[{\"role\":\"user\",\"content\":["
            + (0..<1000).map { _ in
              "{\"type\":\"image_url\",\"image_url\":{\"url\":\"\(Body.uri(Body.house))\"}}"
            }.joined(separator: ",") + "]}]"), code: "too_many_images", param: "messages"),
      .init(
        39, "1,000 addresses",
        Body.chat(
          messages: "[{\"role\":\"user\",\"content\":["
            + (0..<1000).map {
              "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://a.test/\($0)\"}}"
            }.joined(separator: ",") + "]}]"), code: "too_many_images"),
      .init(
        22, "pictures beyond the context",
        Body.chat(
          messages:
            "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"\(Body.uri(Body.house))\"}},"
            + "{\"type\":\"text\",\"text\":\"\(String(repeating: "x", count: 4085))\"}]}]"), code: "context_length_exceeded"),
    ]
  }()
}
