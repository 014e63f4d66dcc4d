/// A value of a GGUF file's metadata.
public enum GGUFValue: Sendable, Equatable {
  /// A whole number of any width.
  case integer(Int)
  /// A number of single or double precision, or a whole one beyond `Int`. Of single precision it is the shortest decimal that means the
  /// same: 1e-5, where the nearest double would be 9.999999747378752e-06.
  case number(Double)
  /// A truth value.
  case bool(Bool)
  /// A text as its bytes: tokens that differ only in how a letter is composed are not the same.
  case text([UInt8])
  /// Values of one type.
  case list([GGUFValue])

  /// The value as it may stand in a message.
  var brief: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .text(let bytes): "\"\(briefText(bytes))\""
    case .list(let values): "a list of \(values.count)"
    }
  }
}

/// The beginning of a text of a file, which may be of any length.
func briefText(_ bytes: some Collection<UInt8>) -> String {
  String(decoding: bytes.prefix(100), as: UTF8.self) + (bytes.count > 100 ? "…" : "")
}

/// What a GGUF file says about its model, by key.
public struct GGUFMetadata: Sendable, Equatable {
  /// Path of the file, for messages.
  public let file: String
  /// All values.
  public let values: [String: GGUFValue]

  private func wrong(_ key: String, _ value: GGUFValue, _ expected: String) -> TensorFileError {
    .wrongValue(key: key, found: value.brief, expected: expected, file: file)
  }

  /// The value that must be there.
  ///
  /// - Throws: `TensorFileError.missingKey`.
  public func require<Value>(_ key: String, _ found: Value?) throws -> Value {
    guard let found else { throw TensorFileError.missingKey(key: key, file: file) }
    return found
  }

  /// A whole number; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func int(_ key: String) throws -> Int? {
    switch values[key] {
    case nil: return nil
    case .integer(let value): return value
    case let other?: throw wrong(key, other, "a whole number")
    }
  }

  /// A number; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func double(_ key: String) throws -> Double? {
    switch values[key] {
    case nil: return nil
    case .integer(let value): return Double(value)
    case .number(let value): return value
    case let other?: throw wrong(key, other, "a number")
    }
  }

  /// True or false; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func bool(_ key: String) throws -> Bool? {
    switch values[key] {
    case nil: return nil
    case .bool(let value): return value
    case let other?: throw wrong(key, other, "true or false")
    }
  }

  /// A text; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`, also for bytes that are not UTF-8.
  public func string(_ key: String) throws -> String? {
    guard let value = values[key] else { return nil }
    guard case .text(let bytes) = value, let text = String(validating: bytes, as: UTF8.self) else {
      throw wrong(key, value, "a text in UTF-8")
    }
    return text
  }

  /// A list of whole numbers; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func ints(_ key: String) throws -> [Int]? {
    try list(key, "a list of whole numbers") { if case .integer(let value) = $0 { value } else { nil } }
  }

  /// A list of numbers; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func doubles(_ key: String) throws -> [Double]? {
    try list(key, "a list of numbers") {
      switch $0 {
      case .integer(let value): Double(value)
      case .number(let value): value
      default: nil
      }
    }
  }

  /// A list of texts as their bytes; nil where there is no such key.
  ///
  /// - Throws: `TensorFileError.wrongValue`.
  public func texts(_ key: String) throws -> [[UInt8]]? {
    try list(key, "a list of texts") { if case .text(let bytes) = $0 { bytes } else { nil } }
  }

  private func list<Element>(_ key: String, _ expected: String, _ element: (GGUFValue) -> Element?) throws -> [Element]? {
    guard let value = values[key] else { return nil }
    guard case .list(let values) = value else { throw wrong(key, value, expected) }
    return try values.map { found in
      guard let element = element(found) else { throw wrong(key, found, expected) }
      return element
    }
  }
}
