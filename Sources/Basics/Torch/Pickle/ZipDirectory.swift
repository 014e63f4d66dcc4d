/// Where the members of a zip archive lie, for archives whose members are stored as they are, as `torch.save` writes them.
///
/// Follows PKWARE's APPNOTE: end record, its 64-bit form, and central directory.
struct ZipDirectory {
  /// Bytes of each member in the file, by name.
  let members: [String: Range<Int>]

  /// Reads the directory of a mapped file.
  ///
  /// - Throws: `TensorFileError.malformed`.
  init(_ map: MappedFile, _ path: String) throws {
    func malformed(_ reason: String) -> TensorFileError { .malformed(file: path, reason: reason) }
    func number<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type) throws -> Int {
      guard offset >= 0, offset <= map.count - MemoryLayout<T>.size else { throw malformed("its zip directory ends early") }
      let value = map.bytes(offset..<offset + MemoryLayout<T>.size).loadUnaligned(as: T.self).littleEndian
      guard let fits = Int(exactly: value) else { throw malformed("its zip directory holds impossible numbers") }
      return fits
    }
    // The end record is 22 bytes and a comment of up to 65535.
    guard
      let end = (max(0, map.count - 65_557)...max(0, map.count - 22)).reversed().first(where: {
        (try? number($0, UInt32.self)) == 0x0605_4b50
      })
    else { throw malformed("no zip archive, as torch.save has written since PyTorch 1.6; save the weights as safetensors") }
    var (count, position) = try (number(end + 10, UInt16.self), number(end + 16, UInt32.self))
    if end >= 20, try number(end - 20, UInt32.self) == 0x0706_4b50 {
      let wide = try number(end - 12, UInt64.self)
      guard try number(wide, UInt32.self) == 0x0606_4b50 else { throw malformed("its 64-bit zip directory is damaged") }
      (count, position) = try (number(wide + 32, UInt64.self), number(wide + 48, UInt64.self))
    }

    var members: [String: Range<Int>] = [:]
    for _ in 0..<min(count, map.count / 46) {
      guard try number(position, UInt32.self) == 0x0201_4b50 else { throw malformed("its zip directory is damaged") }
      let method = try number(position + 10, UInt16.self)
      var size = try number(position + 24, UInt32.self)
      let nameLength = try number(position + 28, UInt16.self)
      let extraLength = try number(position + 30, UInt16.self)
      let commentLength = try number(position + 32, UInt16.self)
      let compressed = try number(position + 20, UInt32.self)
      var start = try number(position + 42, UInt32.self)
      let nameStart = position + 46
      guard nameStart + nameLength <= map.count else { throw malformed("its zip directory ends early") }
      let name = String(decoding: map.bytes(nameStart..<nameStart + nameLength), as: UTF8.self)
      var extra = nameStart + nameLength
      let extraEnd = extra + extraLength
      while extra + 4 <= extraEnd {
        let length = try number(extra + 2, UInt16.self)
        if try number(extra, UInt16.self) == 1 {
          // 64-bit fields stand here in order for those that are all ones above.
          var field = extra + 4
          func wide(_ value: Int) throws -> Int {
            guard value == 0xffff_ffff else { return value }
            defer { field += 8 }
            return try number(field, UInt64.self)
          }
          size = try wide(size)
          _ = try wide(compressed)
          start = try wide(start)
        }
        extra += 4 + length
      }
      guard method == 0 else { throw malformed("member \(name) is compressed, which torch.save does not do") }
      guard try number(start, UInt32.self) == 0x0403_4b50 else { throw malformed("member \(name) has no header") }
      let data = try start + 30 + number(start + 26, UInt16.self) + number(start + 28, UInt16.self)
      guard data <= map.count, size <= map.count - data else {
        throw TensorFileError.truncated(file: path, found: map.count, expected: data.addingReportingOverflow(size).partialValue)
      }
      members[name] = data..<data + size
      position = extraEnd + commentLength
    }
    self.members = members
  }
}
