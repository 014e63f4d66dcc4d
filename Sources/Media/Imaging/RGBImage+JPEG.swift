import CImageCodecs
import Foundation

extension RGBImage {
  /// The picture as a baseline JPEG file with colours in full resolution (4:4:4).
  ///
  /// - Parameter quality: 1 to 100; others are brought into that range.
  /// - Throws: ``ImagingError/unwritable(file:reason:)``, where the encoder fails or the picture is larger than JPEG allows.
  public func jpegData(quality: Int = 95) throws -> Data {
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message = EpicCodecMessage()
    let size = EpicPictureSize(width: width, height: height)
    let status = pixels.withUnsafeBufferPointer {
      epic_jpeg_encode($0.baseAddress, size, Int32(min(100, max(1, quality))), &bytes, &count, &message)
    }
    guard status == 1, let bytes else {
      throw ImagingError.unwritable(file: "JPEG", reason: CodecFailure(message).reason)
    }
    defer { epic_jpeg_release(bytes) }
    return Data(bytes: bytes, count: count)
  }
}
