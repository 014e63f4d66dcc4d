/// Whether a picture is turned the way its EXIF data say.
///
/// LLaVA's training and evaluation ignore them; a person who shows a photograph expects to see it upright.
public enum ExifOrientation: Sendable, Hashable {
  /// Pixels stay in the order in which they are stored.
  case ignored
  /// The picture is turned and mirrored as its EXIF orientation says.
  case honoured
}

/// An EXIF orientation that changes the picture.
///
/// Values 2...8 of the standard: bit by bit, a swap of rows and columns followed by mirroring either axis.
struct ExifTurn: Equatable {
  var transposed: Bool
  var mirroredAcross: Bool
  var mirroredDown: Bool

  /// The turn for an orientation value, or nothing for 1 (upright) and values outside the standard.
  init?(orientation: Int) {
    switch orientation {
    case 2: self.init(transposed: false, mirroredAcross: true, mirroredDown: false)
    case 3: self.init(transposed: false, mirroredAcross: true, mirroredDown: true)
    case 4: self.init(transposed: false, mirroredAcross: false, mirroredDown: true)
    case 5: self.init(transposed: true, mirroredAcross: false, mirroredDown: false)
    case 6: self.init(transposed: true, mirroredAcross: true, mirroredDown: false)
    case 7: self.init(transposed: true, mirroredAcross: true, mirroredDown: true)
    case 8: self.init(transposed: true, mirroredAcross: false, mirroredDown: true)
    default: return nil
    }
  }

  private init(transposed: Bool, mirroredAcross: Bool, mirroredDown: Bool) {
    self.transposed = transposed
    self.mirroredAcross = mirroredAcross
    self.mirroredDown = mirroredDown
  }

  /// The turn that the EXIF data inside an encoded picture ask for; damaged EXIF data count as none.
  init?(in bytes: UnsafeRawBufferPointer) {
    guard let format = ImageFormat(contentOf: bytes) else { return nil }
    let metadata: UnsafeRawBufferPointer? =
      switch format {
      case .jpeg: jpegExif(bytes)
      case .png: pngExif(bytes)
      case .webp: webpExif(bytes)
      case .gif: nil
      }
    guard let metadata, let value = orientation(inTIFF: metadata) else { return nil }
    self.init(orientation: value)
  }
}

extension RGBImage {
  /// The picture turned upright by an orientation value of EXIF, 1...8; as it is for any other.
  package func turned(orientation: Int) -> RGBImage { ExifTurn(orientation: orientation).map(turned) ?? self }

  /// The picture turned upright.
  func turned(_ turn: ExifTurn) -> RGBImage {
    let (newWidth, newHeight) = turn.transposed ? (height, width) : (width, height)
    let result = [UInt8](unsafeUninitializedCapacity: pixels.count) { room, initialized in
      pixels.withUnsafeBufferPointer { source in
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            let across = turn.mirroredAcross ? newWidth - 1 - x : x
            let down = turn.mirroredDown ? newHeight - 1 - y : y
            let from = 3 * (turn.transposed ? across * width + down : down * width + across)
            let to = 3 * (y * newWidth + x)
            room[to] = source[from]
            room[to + 1] = source[from + 1]
            room[to + 2] = source[from + 2]
          }
        }
      }
      initialized = pixels.count
    }
    return RGBImage(uncheckedWidth: newWidth, height: newHeight, pixels: result)
  }
}
