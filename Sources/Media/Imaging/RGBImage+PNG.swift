import Basics
import CImageCodecs
import Foundation

extension RGBImage {
  /// The picture as an 8-bit RGB PNG file.
  ///
  /// - Throws: ``ImagingError/unwritable(file:reason:)``, where the encoder fails.
  public func pngData() throws -> Data { try encoded(for: "PNG") }

  /// Writes the picture as an 8-bit RGB PNG file, which appears whole or not at all.
  ///
  /// - Throws: ``ImagingError/unwritable(file:reason:)``, naming the file.
  public func writePNG(to url: URL) throws {
    let data = try encoded(for: url.relativePath)
    do {
      try WholeFile.write(data, to: url)
    } catch {
      throw ImagingError.unwritable(file: url.relativePath, reason: systemReason(error))
    }
  }

  private func encoded(for name: String) throws -> Data {
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message = EpicCodecMessage()
    let size = EpicPictureSize(width: width, height: height)
    let status = pixels.withUnsafeBufferPointer { epic_png_encode($0.baseAddress, size, &bytes, &count, &message) }
    guard status == 1, let bytes else {
      throw ImagingError.unwritable(file: name, reason: CodecFailure(message).reason)
    }
    defer { epic_png_release(bytes) }
    return Data(bytes: bytes, count: count)
  }
}
