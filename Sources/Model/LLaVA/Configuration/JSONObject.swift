import Foundation

/// A JSON value of any kind.
enum JSONValue: Codable, Equatable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .int(value)
    } else if let value = try? container.decode(Double.self) {
      self = .double(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .int(let value): try container.encode(value)
    case .double(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The value as it may stand in a message.
  var brief: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let value): "\"\(value.prefix(60))\""
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// A JSON object from a file, whose fields are read by name with errors that say which field of which file is wrong.
struct JSONObject {
  let file: String
  /// Where in the file the object stands: "text_config." or nothing.
  let prefix: String
  let fields: [String: JSONValue]

  init(contentsOf url: URL) throws {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw ConfigurationError.unreadable(file: url.path, reason: exists ? "cannot be read" : "no such file")
    }
    guard let fields = try? JSONDecoder().decode([String: JSONValue].self, from: data) else {
      throw ConfigurationError.notJSON(file: url.path)
    }
    self.init(file: url.path, prefix: "", fields: fields)
  }

  init(file: String, prefix: String, fields: [String: JSONValue]) {
    self.file = file
    self.prefix = prefix
    self.fields = fields
  }

  private func value(_ name: String) -> JSONValue? {
    guard let value = fields[name], value != .null else { return nil }
    return value
  }

  private func wrong(_ name: String, _ value: JSONValue, _ wanted: String) -> ConfigurationError {
    .invalid(file: file, field: prefix + name, reason: "expected \(wanted), found \(value.brief)")
  }

  func int(_ name: String) throws -> Int? {
    switch value(name) {
    case nil: return nil
    case .int(let value): return value
    case .double(let value) where value == value.rounded() && Swift.abs(value) < 1e15: return Int(value)
    case let other?: throw wrong(name, other, "an integer")
    }
  }

  func double(_ name: String) throws -> Double? {
    switch value(name) {
    case nil: return nil
    case .int(let value): return Double(value)
    case .double(let value): return value
    case let other?: throw wrong(name, other, "a number")
    }
  }

  func bool(_ name: String) throws -> Bool? {
    switch value(name) {
    case nil: return nil
    case .bool(let value): return value
    case let other?: throw wrong(name, other, "true or false")
    }
  }

  func string(_ name: String) throws -> String? {
    switch value(name) {
    case nil: return nil
    case .string(let value): return value
    case let other?: throw wrong(name, other, "a string")
    }
  }

  /// A field that is one integer or a list of them.
  func ints(_ name: String) throws -> [Int]? {
    guard case .array(let values)? = value(name) else { return try int(name).map { [$0] } }
    return try values.map { element in
      guard case .int(let number) = element else { throw wrong(name, element, "a list of integers") }
      return number
    }
  }

  /// A field that is a list of numbers.
  func doubles(_ name: String) throws -> [Double]? {
    guard let value = value(name) else { return nil }
    guard case .array(let values) = value else { throw wrong(name, value, "a list of numbers") }
    return try values.map { element in
      switch element {
      case .int(let number): return Double(number)
      case .double(let number): return number
      default: throw wrong(name, element, "a list of numbers")
      }
    }
  }

  /// A field that is a list of pairs of integers.
  func pairs(_ name: String) throws -> [(Int, Int)]? {
    guard let value = value(name) else { return nil }
    guard case .array(let values) = value else { throw wrong(name, value, "a list of pairs") }
    return try values.map { element in
      guard case .array(let pair) = element, pair.count == 2, case .int(let first) = pair[0], case .int(let second) = pair[1]
      else {
        throw wrong(name, element, "pairs of integers")
      }
      return (first, second)
    }
  }

  /// A field that is a list of strings.
  func strings(_ name: String) throws -> [String]? {
    guard let value = value(name) else { return nil }
    guard case .array(let values) = value else { throw wrong(name, value, "a list of strings") }
    return try values.map { element in
      guard case .string(let text) = element else { throw wrong(name, element, "a list of strings") }
      return text
    }
  }

  func object(_ name: String) throws -> JSONObject? {
    switch value(name) {
    case nil: return nil
    case .object(let fields): return JSONObject(file: file, prefix: prefix + name + ".", fields: fields)
    case let other?: throw wrong(name, other, "an object")
    }
  }

  func require<T>(_ name: String, _ found: T?) throws -> T {
    guard let found else { throw ConfigurationError.missing(file: file, field: prefix + name) }
    return found
  }
}
