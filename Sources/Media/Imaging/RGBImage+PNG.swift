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
      try data.write(to: url, options: .atomic)
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

/// The system's words for a failed file operation, without Foundation's error domain around them.
private func systemReason(_ error: any Error) -> String {
  guard let underlying = (error as? CocoaError)?.underlying else { return error.localizedDescription }
  let cause = underlying as NSError
  return cause.domain == NSPOSIXErrorDomain
    ? String(cString: strerror(Int32(truncatingIfNeeded: cause.code))) : cause.localizedDescription
}
