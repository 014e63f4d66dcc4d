import CImageCodecs
import Foundation

extension RGBImage {
  /// Reads and decodes a JPEG, PNG, WebP or GIF file (of an animation, the first frame).
  ///
  /// The format is told from the content. Grey, palette and CMYK pictures become RGB, 16-bit samples keep their high byte,
  /// and alpha is dropped, not blended.
  ///
  /// - Parameters:
  ///   - url: A regular file.
  ///   - orientation: Whether to turn the picture the way its EXIF data say.
  ///   - limits: Larger files and pictures are refused before they are read or decoded.
  /// - Throws: ``ImagingError``, naming the file.
  public init(contentsOf url: URL, orientation: ExifOrientation = .ignored, limits: ImageLimits = .standard) throws {
    let bytes = try readRegularFile(url, limit: limits.maximumBytes)
    try self.init(data: bytes, name: url.relativePath, orientation: orientation, limits: limits)
  }

  /// Decodes the content of a JPEG, PNG, WebP or GIF file (of an animation, the first frame).
  ///
  /// The format is told from the content. Grey, palette and CMYK pictures become RGB, 16-bit samples keep their high byte,
  /// and alpha is dropped, not blended.
  ///
  /// - Parameters:
  ///   - data: The encoded picture.
  ///   - name: What errors call it.
  ///   - orientation: Whether to turn the picture the way its EXIF data say.
  ///   - limits: Larger files and pictures are refused before they are decoded.
  /// - Throws: ``ImagingError``, naming `name`.
  public init(
    data: some ContiguousBytes, name: String, orientation: ExifOrientation = .ignored, limits: ImageLimits = .standard
  ) throws {
    self = try data.withUnsafeBytes { bytes in
      let image = try decode(bytes, name: name, limits: limits)
      guard orientation == .honoured, let turn = ExifTurn(in: bytes) else { return image }
      return image.turned(turn)
    }
  }
}

private func decode(_ bytes: UnsafeRawBufferPointer, name: String, limits: ImageLimits) throws -> RGBImage {
  if bytes.isEmpty { throw ImagingError.emptyFile(file: name) }
  if bytes.count > limits.maximumBytes {
    throw ImagingError.tooManyBytes(file: name, found: bytes.count, limit: limits.maximumBytes)
  }
  guard let format = ImageFormat(contentOf: bytes) else {
    if let known = ImageFormat.unsupportedName(contentOf: bytes) {
      throw ImagingError.unsupportedFormat(file: name, format: known)
    }
    throw ImagingError.notAnImage(file: name)
  }
  do {
    let size = try format.measure(bytes).get()
    if size.width == 0 || size.height == 0 {
      throw ImagingError.noPixels(file: name, format: format.rawValue, width: size.width, height: size.height)
    }
    if !limits.allow(width: size.width, height: size.height) {
      throw ImagingError.tooManyPixels(file: name, width: size.width, height: size.height, limit: limits)
    }
    let count = size.width * size.height * 3
    let pixels = try [UInt8](unsafeUninitializedCapacity: count) { room, initialized in
      try format.decode(bytes, size: size, into: room.baseAddress)
      initialized = count
    }
    return RGBImage(uncheckedWidth: size.width, height: size.height, pixels: pixels)
  } catch let failure as CodecFailure {
    throw ImagingError.damaged(file: name, format: format.rawValue, reason: failure.reason)
  }
}
