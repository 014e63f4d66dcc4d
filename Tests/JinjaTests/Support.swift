import Foundation
import Language
import Testing

@testable import Jinja

extension Value {
  /// A value of JSON, members in their order.
  init(_ json: JSONValue) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .int(value)
    case .number(let value): self = .float(value)
    case .string(let bytes): self = .string(String(decoding: bytes, as: UTF8.self))
    case .array(let values): self = .list(values.map { Value($0) })
    case .object(let members):
      var dict = Dict()
      for member in members { dict[.string(String(decoding: member.name, as: UTF8.self))] = Value(member.value) }
      self = .dict(dict)
    }
  }
}

/// A JSON document as values.
struct Document {
  let value: Value

  init(_ bytes: [UInt8]) throws { value = Value(try JSONReader.parse(bytes)) }

  /// A file of this target's `Resources`.
  static func resource(_ name: String) throws -> Document {
    try Document([UInt8](Data(contentsOf: folder.appending(path: name))))
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources")
}

extension Value {
  subscript(name: String) -> Value {
    get throws {
      guard case .dict(let dict) = self else { throw JinjaError(.failed, "no dict") }
      return try #require(dict[.string(name)])
    }
  }

  var members: [(name: String, value: Value)] {
    get throws {
      guard case .dict(let dict) = self else { throw JinjaError(.failed, "no dict") }
      return dict.pairs.map { ($0.text, $1) }
    }
  }

  var elements: [Value] {
    get throws {
      guard case .list(let values) = self else { throw JinjaError(.failed, "no list") }
      return values
    }
  }
}

/// What a template writes; nil where it ends with an error.
func rendered(_ source: String, _ variables: [String: Value]) -> Result<String, JinjaError> {
  Result { () throws(JinjaError) in try Template(source).render(variables, now: Date(timeIntervalSince1970: 0)) }
}
