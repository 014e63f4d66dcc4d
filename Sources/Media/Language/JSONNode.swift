import Foundation

/// A JSON value that knows its file and its path there, so that every complaint can name both.
struct JSONNode {
  let value: JSONValue
  let file: String
  let path: String

  /// Reads and parses a file; throws `LanguageError` naming the file.
  static func read(_ url: URL) throws -> JSONNode {
    do {
      return JSONNode(value: try JSONReader.parse(try readFile(url)), file: url.path, path: "")
    } catch let failure as JSONReader.Failure {
      throw LanguageError.malformedFile(
        path: url.path, field: "byte \(failure.offset)", problem: "not valid JSON (\(failure.problem))")
    }
  }

  /// As `read`, but nil where there is no such file.
  static func readIfPresent(_ url: URL) throws -> JSONNode? {
    FileManager.default.fileExists(atPath: url.path) ? try read(url) : nil
  }

  /// A member of an object; nil where it is absent or null, and for values that are no objects.
  subscript(name: String) -> JSONNode? {
    guard case .object(let members) = value else { return nil }
    let key = Array(name.utf8)
    guard let found = members.last(where: { $0.name == key })?.value, found != .null else { return nil }
    return JSONNode(value: found, file: file, path: path.isEmpty ? name : "\(path).\(name)")
  }

  /// A member that must be there.
  func required(_ name: String) throws -> JSONNode {
    if let node = self[name] { return node }
    throw LanguageError.malformedFile(path: file, field: path.isEmpty ? name : "\(path).\(name)", problem: "is missing")
  }

  var isObject: Bool { if case .object = value { true } else { false } }

  func bytes() throws -> [UInt8] {
    guard case .string(let bytes) = value else { throw wrongKind("a string") }
    return bytes
  }

  func string() throws -> String { String(decoding: try bytes(), as: UTF8.self) }

  func bool() throws -> Bool {
    guard case .bool(let bool) = value else { throw wrongKind("a boolean") }
    return bool
  }

  /// A token id: a whole number in 0..<2^31.
  func tokenID() throws -> Int {
    guard case .integer(let id) = value else { throw wrongKind("a token id") }
    guard (0...Int(Int32.max)).contains(id) else { throw malformed("\(id) is not a token id") }
    return id
  }

  func elements() throws -> [JSONNode] {
    guard case .array(let elements) = value else { throw wrongKind("a list") }
    return elements.enumerated().map { JSONNode(value: $1, file: file, path: "\(path)[\($0)]") }
  }

  func members() throws -> [JSONValue.Member] {
    guard case .object(let members) = value else { throw wrongKind("an object") }
    return members
  }

  /// The `type` field, by which tokenizer.json tells its variants apart.
  func type() throws -> String { try required("type").string() }

  func malformed(_ problem: String) -> LanguageError { .malformedFile(path: file, field: path, problem: problem) }

  func unsupported(_ found: String, supported: String) -> LanguageError {
    .unsupported(path: file, field: path, found: found, supported: supported)
  }

  private func wrongKind(_ expected: String) -> LanguageError { malformed("\(value.kind) where \(expected) belongs") }
}

/// Reads a whole file; throws `LanguageError.unreadableFile`.
func readFile(_ url: URL) throws -> [UInt8] {
  do {
    return [UInt8](try Data(contentsOf: url))
  } catch {
    let exists = FileManager.default.fileExists(atPath: url.path)
    throw LanguageError.unreadableFile(path: url.path, reason: exists ? "not a readable file" : "no such file")
  }
}
