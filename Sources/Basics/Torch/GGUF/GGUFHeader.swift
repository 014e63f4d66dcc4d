/// Where a tensor of a GGUF file lies, and how.
struct GGUFPlace: Sendable {
  let type: GGUFType
  let range: Range<Int>
}

/// The directory of a GGUF file: metadata and tensors.
///
/// The format is that of ggml's `docs/gguf.md`. Every number is checked against what the file can hold before anything is made of it:
/// a text cannot be longer than the file, a list cannot have more elements than there are bytes for.
struct GGUFHeader {
  var metadata: [String: GGUFValue] = [:]
  var entries: [String: TensorEntry] = [:]
  var places: [String: GGUFPlace] = [:]

  /// As for safetensors: far above what any model has.
  static let longest = 100_000_000
  /// Elements of all lists together; a vocabulary of 256,000 tokens has a fifth of them.
  static let mostValues = 1 << 22
  private static let mostKeys = 1 << 16
  private static let mostTensors = 1 << 18
  private static let usualAlignment = 32

  /// Reads and checks it.
  ///
  /// - Throws: `TensorFileError.malformed`, `.truncated`.
  init(_ map: MappedFile, _ path: String) throws {
    let head = map.bytes(0..<min(map.count, Self.longest))
    var cursor = GGUFCursor(bytes: head, path: path, isWhole: head.count == map.count)
    guard map.bytes(0..<4).elementsEqual("GGUF".utf8) else { throw cursor.malformed("it does not begin with GGUF") }
    cursor.position = 4
    let version = try cursor.number(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      let isSwapped = (1...3).contains(version.byteSwapped)
      throw cursor.malformed(
        isSwapped
          ? "its numbers are big-endian"
          : "it is of version \(version), and 2 and 3 are read; make it anew with llama.cpp's converter")
    }
    let tensors = try cursor.number(UInt64.self, "the number of tensors")
    let keys = try cursor.number(UInt64.self, "the number of keys")
    // A key takes 13 bytes at least, a tensor 24.
    let most = (keys: min(Self.mostKeys, cursor.rest / 13), tensors: min(Self.mostTensors, cursor.rest / 24))
    guard keys <= UInt64(most.keys), tensors <= UInt64(most.tensors) else {
      throw cursor.malformed("it claims \(keys) keys and \(tensors) tensors in \(map.count) bytes")
    }
    for _ in 0..<keys {
      let key = try cursor.name("a key")
      let value = try cursor.value(ofKey: key)
      if metadata.updateValue(value, forKey: key) != nil { throw cursor.malformed("key \(brief(key)) stands there twice") }
    }
    var found: [(name: String, type: GGUFType, shape: [Int], offset: UInt64)] = []
    for _ in 0..<tensors { found.append(try cursor.tensor()) }
    try place(found, after: cursor.position, map, cursor)
  }

  /// Finds each tensor's bytes.
  private mutating func place(
    _ tensors: [(name: String, type: GGUFType, shape: [Int], offset: UInt64)], after end: Int, _ map: MappedFile,
    _ cursor: GGUFCursor
  ) throws {
    var alignment = Self.usualAlignment
    if let value = metadata["general.alignment"] {
      guard case .integer(let size) = value, (1...65_536).contains(size), size & (size - 1) == 0 else {
        throw cursor.malformed("general.alignment is \(value.brief), expected a power of two up to 65536")
      }
      alignment = size
    }
    let start = (end + alignment - 1) / alignment * alignment
    for (name, type, shape, offset) in tensors {
      let what = "tensor \(brief(name))"
      guard let count = elementCount(shape), (shape.last ?? 1) % type.block == 0 else {
        throw cursor.malformed("\(what) of type \(type.name) has impossible shape \(shape)")
      }
      let bytes = count / type.block * type.bytes
      guard offset <= UInt64(1) << 60, offset % UInt64(alignment) == 0 else {
        throw cursor.malformed("\(what) has impossible offset \(offset)")
      }
      let begin = start + Int(offset)
      guard begin + bytes <= map.count || bytes == 0 else {
        throw TensorFileError.truncated(file: cursor.path, found: map.count, expected: begin + bytes)
      }
      guard entries[name] == nil else { throw cursor.malformed("\(what) stands there twice") }
      entries[name] = TensorEntry(name: name, storedType: type.name, shape: shape, byteCount: bytes)
      places[name] = GGUFPlace(type: type, range: bytes == 0 ? 0..<0 : begin..<begin + bytes)
    }
    let inOrder = places.filter { !$0.value.range.isEmpty }.sorted { $0.value.range.lowerBound < $1.value.range.lowerBound }
    for (one, next) in zip(inOrder, inOrder.dropFirst()) where next.value.range.lowerBound < one.value.range.upperBound {
      throw cursor.malformed("tensor \(brief(next.key)) overlaps \(brief(one.key))")
    }
  }

  private func brief(_ name: String) -> String { briefText(name.utf8) }
}

/// Reads a header from front to back.
struct GGUFCursor {
  let bytes: UnsafeRawBufferPointer
  let path: String
  /// False where the file is longer than a header may be.
  let isWhole: Bool
  var position = 0
  private var values = 0

  init(bytes: UnsafeRawBufferPointer, path: String, isWhole: Bool) {
    (self.bytes, self.path, self.isWhole) = (bytes, path, isWhole)
  }

  /// Bytes that are left.
  var rest: Int { bytes.count - position }

  func malformed(_ reason: String) -> TensorFileError { .malformed(file: path, reason: reason) }

  private func short(_ what: String) -> TensorFileError {
    malformed(
      isWhole ? "it ends within \(what); copy or download it again" : "its header takes more than \(GGUFHeader.longest) bytes")
  }

  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type, _ what: String) throws -> Number {
    let size = MemoryLayout<Number>.size
    guard rest >= size else { throw short(what) }
    defer { position += size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  private mutating func text(_ what: String) throws -> [UInt8] {
    let length = try number(UInt64.self, what)
    guard length <= UInt64(rest) else { throw short(what) }
    defer { position += Int(length) }
    return Array(bytes[position..<position + Int(length)])
  }

  /// A key or a tensor's name.
  mutating func name(_ what: String) throws -> String {
    let found = try text(what)
    guard found.count < 65_536, let name = String(validating: found, as: UTF8.self) else {
      throw malformed("\(what) of \(found.count) bytes is no name")
    }
    return name
  }

  /// A tensor's name, type, sizes with the innermost last, and offset behind the header.
  mutating func tensor() throws -> (name: String, type: GGUFType, shape: [Int], offset: UInt64) {
    let name = try name("a tensor's name")
    let what = "tensor \(briefText(name.utf8))"
    let rank = try number(UInt32.self, what)
    guard rank <= 4 else { throw malformed("\(what) has \(rank) dimensions, expected at most 4") }
    var shape: [Int] = []
    for _ in 0..<rank {
      let size = try number(UInt64.self, what)
      guard let size = Int(exactly: size) else { throw malformed("\(what) has impossible size \(size)") }
      shape.append(size)
    }
    let code = try number(UInt32.self, what)
    guard let type = GGUFType.all[code] else { throw malformed("\(what) is of type \(code), which is not known") }
    // ggml counts from the innermost dimension.
    return (name, type, shape.reversed(), try number(UInt64.self, what))
  }

  mutating func value(ofKey key: String) throws -> GGUFValue {
    let what = "the value of \(briefText(key.utf8))"
    return try value(number(UInt32.self, what), what, depth: 0)
  }

  private mutating func value(_ type: UInt32, _ what: String, depth: Int) throws -> GGUFValue {
    switch type {
    case 0: return .integer(Int(try number(UInt8.self, what)))
    case 1: return .integer(Int(try number(Int8.self, what)))
    case 2: return .integer(Int(try number(UInt16.self, what)))
    case 3: return .integer(Int(try number(Int16.self, what)))
    case 4: return .integer(Int(try number(UInt32.self, what)))
    case 5: return .integer(Int(try number(Int32.self, what)))
    case 6:
      let value = Float(bitPattern: try number(UInt32.self, what))
      return .number(Double("\(value)") ?? Double(value))
    case 7:
      let byte = try number(UInt8.self, what)
      guard byte <= 1 else { throw malformed("\(what) is \(byte), expected 0 or 1 for false or true") }
      return .bool(byte == 1)
    case 8: return .text(try text(what))
    case 9: return try list(what, depth: depth + 1)
    case 10:
      let value = try number(UInt64.self, what)
      return Int(exactly: value).map(GGUFValue.integer) ?? .number(Double(value))
    case 11: return .integer(Int(try number(Int64.self, what)))
    case 12: return .number(Double(bitPattern: try number(UInt64.self, what)))
    default: throw malformed("\(what) is of type \(type), which is not known")
    }
  }

  /// Fewest bytes of a value of each type.
  private static let sizes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]

  private mutating func list(_ what: String, depth: Int) throws -> GGUFValue {
    guard depth <= 8 else { throw malformed("\(what) is a list of lists of lists, and so on") }
    let type = try number(UInt32.self, what)
    let count = try number(UInt64.self, what)
    guard type < 13 else { throw malformed("\(what) is a list of type \(type), which is not known") }
    guard count <= UInt64(rest / Self.sizes[Int(type)]) else { throw short(what) }
    guard Int(count) <= GGUFHeader.mostValues - values else {
      throw malformed("its lists have more than \(GGUFHeader.mostValues) elements in all")
    }
    values += Int(count)
    var found: [GGUFValue] = []
    found.reserveCapacity(Int(count))
    for _ in 0..<count { found.append(try value(type, what, depth: depth)) }
    return .list(found)
  }
}
