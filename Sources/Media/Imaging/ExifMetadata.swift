// Finding the EXIF block in each container, and the orientation in the block. Every offset comes from the file, so every
// read is checked; whatever does not fit ends the search quietly, as a picture is usable without its metadata.

private let exifHeader: [UInt8] = [0x45, 0x78, 0x69, 0x66, 0x00, 0x00]  // "Exif", two zeros

/// The TIFF structure inside the first EXIF segment of a JPEG file.
func jpegExif(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
  var position = 2
  while let marker = bytes.integer(at: position, size: 2, bigEndian: true) {
    if marker == 0xFFFF {  // a fill byte
      position += 1
      continue
    }
    // Metadata stand before the first scan.
    guard marker > 0xFF00, marker != 0xFFDA, marker != 0xFFD9,
      let length = bytes.integer(at: position + 2, size: 2, bigEndian: true), length >= 2
    else { return nil }
    if marker == 0xFFE1, bytes.matches(exifHeader, at: position + 4) {
      return bytes.slice(at: position + 10, count: length - 8)
    }
    position += 2 + length
  }
  return nil
}

/// The TIFF structure inside the `eXIf` chunk of a PNG file.
func pngExif(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
  var position = 8
  while let length = bytes.integer(at: position, size: 4, bigEndian: true) {
    if bytes.matches("eXIf", at: position + 4) { return bytes.slice(at: position + 8, count: length) }
    position += 12 + length
  }
  return nil
}

/// The TIFF structure inside the `EXIF` chunk of a WebP file.
func webpExif(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
  var position = 12
  while let length = bytes.integer(at: position + 4, size: 4, bigEndian: false) {
    if bytes.matches("EXIF", at: position) {
      guard let block = bytes.slice(at: position + 8, count: length) else { return nil }
      // Some writers keep the header that JPEG needs.
      return block.matches(exifHeader, at: 0) ? block.slice(at: 6, count: length - 6) : block
    }
    position += 8 + length + length % 2
  }
  return nil
}

/// The value of the orientation tag in the first directory of a TIFF structure.
func orientation(inTIFF bytes: UnsafeRawBufferPointer) -> Int? {
  let bigEndian: Bool
  if bytes.matches([0x49, 0x49, 0x2A, 0x00], at: 0) {
    bigEndian = false
  } else if bytes.matches([0x4D, 0x4D, 0x00, 0x2A], at: 0) {
    bigEndian = true
  } else {
    return nil
  }
  guard let directory = bytes.integer(at: 4, size: 4, bigEndian: bigEndian),
    let count = bytes.integer(at: directory, size: 2, bigEndian: bigEndian)
  else { return nil }
  for entry in 0..<count {
    let position = directory + 2 + 12 * entry  // tag (2), type (2), count (4), value (4)
    guard let tag = bytes.integer(at: position, size: 2, bigEndian: bigEndian) else { return nil }
    if tag != 0x0112 { continue }
    let isShort = bytes.integer(at: position + 2, size: 2, bigEndian: bigEndian) == 3
    return isShort ? bytes.integer(at: position + 8, size: 2, bigEndian: bigEndian) : nil
  }
  return nil
}

extension UnsafeRawBufferPointer {
  /// The unsigned integer of `size` bytes (at most 4) at `offset`, where it lies inside.
  fileprivate func integer(at offset: Int, size: Int, bigEndian: Bool) -> Int? {
    guard let field = slice(at: offset, count: size) else { return nil }
    let ordered = bigEndian ? Array(field) : field.reversed()
    return ordered.reduce(0) { $0 << 8 | Int($1) }
  }

  /// `count` bytes from `offset`, where they lie inside.
  fileprivate func slice(at offset: Int, count wanted: Int) -> UnsafeRawBufferPointer? {
    guard offset >= 0, wanted >= 0, offset <= count, wanted <= count - offset else { return nil }
    return UnsafeRawBufferPointer(rebasing: self[offset..<(offset + wanted)])
  }
}
