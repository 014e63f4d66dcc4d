import CImageCodecs

/// The picture formats that are decoded, told apart by their first bytes.
enum ImageFormat: String, CaseIterable {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"
  case gif = "GIF"

  /// Recognises the format from the content; file names are not trusted, as data sets hold GIFs named `.jpg`.
  init?(contentOf bytes: UnsafeRawBufferPointer) {
    if bytes.matches([0xFF, 0xD8, 0xFF], at: 0) {
      self = .jpeg
    } else if bytes.matches([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], at: 0) {
      self = .png
    } else if bytes.matches("RIFF", at: 0), bytes.matches("WEBP", at: 8) {
      self = .webp
    } else if bytes.matches("GIF87a", at: 0) || bytes.matches("GIF89a", at: 0) {
      self = .gif
    } else {
      return nil
    }
  }

  /// The name of a format that is recognised only so that an error can name it.
  static func unsupportedName(contentOf bytes: UnsafeRawBufferPointer) -> String? {
    if bytes.matches("ftyp", at: 4) {
      if bytes.matches("avif", at: 8) || bytes.matches("avis", at: 8) { return "AVIF" }
      let brands = ["heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"]
      return brands.contains { bytes.matches($0, at: 8) } ? "HEIF" : nil
    }
    return unsupportedSignatures.first { bytes.matches($0.signature, at: 0) }?.name
  }

  private static let unsupportedSignatures: [(name: String, signature: [UInt8])] = [
    ("BMP", [0x42, 0x4D]),
    ("TIFF", [0x49, 0x49, 0x2A, 0x00]),
    ("TIFF", [0x4D, 0x4D, 0x00, 0x2A]),
    ("BigTIFF", [0x49, 0x49, 0x2B, 0x00]),
    ("BigTIFF", [0x4D, 0x4D, 0x00, 0x2B]),
    ("JPEG 2000", [0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50, 0x20, 0x20]),
    ("JPEG 2000", [0xFF, 0x4F, 0xFF, 0x51]),
    ("JPEG XL", [0xFF, 0x0A]),
    ("JPEG XL", [0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20]),
    ("ICO", [0x00, 0x00, 0x01, 0x00]),
    ("Photoshop", [0x38, 0x42, 0x50, 0x53]),
    ("PDF", [0x25, 0x50, 0x44, 0x46]),
  ]

  /// The size in pixels that the headers claim, or the codec's complaint.
  func measure(_ bytes: UnsafeRawBufferPointer) -> Result<EpicPictureSize, CodecFailure> {
    let (data, count) = (bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    var size = EpicPictureSize()
    var message = EpicCodecMessage()
    let status =
      switch self {
      case .jpeg: epic_jpeg_measure(data, count, &size, &message)
      case .png: epic_png_measure(data, count, &size, &message)
      case .webp: epic_webp_measure(data, count, &size, &message)
      case .gif: epic_gif_measure(data, count, &size, &message)
      }
    return status == 1 ? .success(size) : .failure(CodecFailure(message))
  }

  /// Decodes into room for 3 · width · height bytes of the size that was measured.
  func decode(_ bytes: UnsafeRawBufferPointer, size: EpicPictureSize, into rgb: UnsafeMutablePointer<UInt8>?) throws {
    let (data, count) = (bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    var message = EpicCodecMessage()
    let status =
      switch self {
      case .jpeg: epic_jpeg_decode(data, count, size, rgb, &message)
      case .png: epic_png_decode(data, count, size, rgb, &message)
      case .webp: epic_webp_decode(data, count, size, rgb, &message)
      case .gif: epic_gif_decode(data, count, size, rgb, &message)
      }
    if status != 1 { throw CodecFailure(message) }
  }
}

/// A codec's own words about a failure.
struct CodecFailure: Error {
  let reason: String

  init(_ message: EpicCodecMessage) {
    reason = withUnsafeBytes(of: message.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension UnsafeRawBufferPointer {
  /// Whether `signature` stands at `offset`.
  func matches(_ signature: [UInt8], at offset: Int) -> Bool {
    offset >= 0 && count >= signature.count && offset <= count - signature.count
      && self[offset..<(offset + signature.count)].elementsEqual(signature)
  }

  /// Whether the ASCII text `signature` stands at `offset`.
  func matches(_ signature: String, at offset: Int) -> Bool { matches(Array(signature.utf8), at: offset) }
}
