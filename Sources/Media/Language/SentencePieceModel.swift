import CSentencePiece
import Foundation

/// A loaded SentencePiece model: the library's handle, its pieces and the two settings decoding depends on.
///
/// `@unchecked Sendable`: the handle is written only by `init` and `deinit`, and the library documents the functions
/// called in between, all const, as safe from several threads.
final class SentencePieceModel: @unchecked Sendable {
  enum Kind: Sendable { case normal, unknown, control, byte }

  struct Piece: Sendable {
    let bytes: [UInt8]
    let kind: Kind
  }

  private let handle: OpaquePointer
  /// The pieces by id.
  let pieces: [Piece]
  let settings: NormalizerSettings

  /// Loads a serialised model.
  ///
  /// - Parameters:
  ///   - addsDummyPrefix: false turns the model's own `add_dummy_prefix` off.
  ///   - path: the file the bytes come from, for messages.
  init(_ bytes: [UInt8], addsDummyPrefix: Bool, path: String) throws {
    guard var settings = NormalizerSettings(model: bytes) else {
      throw LanguageError.malformedFile(path: path, field: "", problem: "not a SentencePiece model, or cut short")
    }
    var model = bytes
    if !addsDummyPrefix {
      // Appending a message to a serialised one merges the two: field 3 (normalizer_spec), whose field 3 is the flag.
      model += [0x1A, 2, 0x18, 0]
      settings.addsDummyPrefix = false
    }
    let loaded = try Self.load(model, path: path)
    handle = loaded
    self.settings = settings
    pieces = (0..<csp_piece_count(loaded)).map { id in
      var bytes: UnsafePointer<UInt8>?
      var size = 0
      var kind = CSP_NORMAL
      _ = csp_piece(loaded, id, &bytes, &size, &kind)
      let kinds: [Kind] = [.normal, .unknown, .control, .byte]
      return Piece(bytes: Array(UnsafeBufferPointer(start: bytes, count: size)), kind: kinds[Int(kind.rawValue)])
    }
  }

  private static func load(_ model: [UInt8], path: String) throws -> OpaquePointer {
    var handle: OpaquePointer?
    do throws(LibraryFailure) {
      try checked { csp_load(model, model.count, &handle, $0, $1) }
    } catch {
      let problem = "not a SentencePiece model (\(error.message))"
      throw LanguageError.malformedFile(path: path, field: "", problem: problem)
    }
    guard let handle else {
      throw LanguageError.malformedFile(path: path, field: "", problem: "not a SentencePiece model")
    }
    return handle
  }

  deinit { csp_free(handle) }

  /// The id of a piece, if the model has it.
  func id(of piece: some Collection<UInt8>) -> Int? {
    let bytes = Array(piece)
    let id = csp_find_piece(handle, bytes, bytes.count)
    return id < 0 ? nil : Int(id)
  }

  /// Encodes UTF-8 text and adds no special ids.
  func encode(_ text: [UInt8]) throws -> [Int] {
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    do throws(LibraryFailure) {
      try checked { csp_encode(handle, text, text.count, &ids, &count, $0, $1) }
    } catch {
      throw LanguageError.encodingFailed(reason: error.message)
    }
    defer { csp_free_ids(ids) }
    return UnsafeBufferPointer(start: ids, count: count).map(Int.init)
  }
}

/// The two fields of a model's `normalizer_spec` that say what decoding strips; the library does not offer them.
struct NormalizerSettings: Sendable, Equatable {
  var addsDummyPrefix = true
  var removesExtraWhitespace = true

  /// Walks the top level of a serialised model, a protocol buffer; nil if it is broken.
  ///
  /// The settings come behind all pieces, so a file without them has been cut short, even between two pieces.
  init?(model: [UInt8]) {
    var fields = ProtocolBufferFields(model[...])
    var found = false
    while !fields.isAtEnd {
      guard let field = fields.next() else { return nil }
      guard field.number == 3, let spec = field.bytes else { continue }
      found = true
      var inner = ProtocolBufferFields(spec)
      while !inner.isAtEnd {
        guard let setting = inner.next() else { return nil }
        if setting.number == 3 { addsDummyPrefix = setting.varint != 0 }
        if setting.number == 4 { removesExtraWhitespace = setting.varint != 0 }
      }
    }
    if !found { return nil }
  }
}

/// The fields of one protocol-buffer message, in order.
private struct ProtocolBufferFields {
  struct Field {
    let number: UInt64
    var varint: UInt64 = 0
    var bytes: ArraySlice<UInt8>?
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var isAtEnd: Bool { rest.isEmpty }

  /// The next field, or nil if the message is cut short or of an unknown wire type.
  mutating func next() -> Field? {
    guard let tag = varint() else { return nil }
    var field = Field(number: tag >> 3)
    switch tag & 7 {
    case 0:
      guard let value = varint() else { return nil }
      field.varint = value
    case 1: guard take(8) != nil else { return nil }
    case 2:
      guard let size = varint(), let bytes = take(size) else { return nil }
      field.bytes = bytes
    case 5: guard take(4) != nil else { return nil }
    default: return nil
    }
    return field
  }

  private mutating func take(_ count: UInt64) -> ArraySlice<UInt8>? {
    guard count <= UInt64(rest.count) else { return nil }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }

  private mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
