import Language

/// A JSON object that knows where it lies, so that every complaint can say so.
struct Record {
  let file: String
  let line: Int
  let value: JSONValue

  func fault(_ reason: String) -> RecordFault { RecordFault(file: file, line: line, reason: reason) }

  /// A member; nil where it is absent or null.
  subscript(name: String) -> JSONValue? {
    guard case .object(let members) = value else { return nil }
    guard let found = members.last(where: { $0.name.elementsEqual(name.utf8) })?.value, found != .null else { return nil }
    return found
  }

  private func required(_ name: String) throws(RecordFault) -> JSONValue {
    guard case .object = value else { throw fault("\(value.kind) where an object belongs") }
    guard let found = self[name] else { throw fault("it has no field \(name)") }
    return found
  }

  func text(_ name: String) throws(RecordFault) -> String {
    let found = try required(name)
    guard let text = found.text else { throw fault("\(name) is \(found.kind) where text belongs") }
    return text
  }

  func number(_ name: String) throws(RecordFault) -> Int {
    let found = try required(name)
    guard case .integer(let number) = found else { throw fault("\(name) is \(found.kind) where a whole number belongs") }
    return number
  }

  /// A time in seconds.
  func seconds(_ name: String) throws(RecordFault) -> Double {
    let found = try required(name)
    guard let number = found.finite else { throw fault("\(name) is \(found.kind) where a number of seconds belongs") }
    return number
  }

  func id(_ name: String) throws(RecordFault) -> FileID {
    let found = try required(name)
    switch found {
    case .integer(let number): return .number(number)
    case .string(let bytes): return .text(String(decoding: bytes, as: UTF8.self))
    default: throw fault("\(name) is \(found.kind) where a number or text belongs")
    }
  }

  func elements(_ name: String) throws(RecordFault) -> [JSONValue] {
    let found = try required(name)
    guard case .array(let elements) = found else { throw fault("\(name) is \(found.kind) where a list belongs") }
    return elements
  }

  func texts(_ name: String) throws(RecordFault) -> [String] {
    try elements(name).map { element throws(RecordFault) in
      guard let text = element.text else { throw fault("\(name) holds \(element.kind) where text belongs") }
      return text
    }
  }

  /// The objects of a list, each at this record's place.
  func objects(_ name: String) throws(RecordFault) -> [Record] {
    try elements(name).map { element throws(RecordFault) in
      guard case .object = element else { throw fault("\(name) holds \(element.kind) where an object belongs") }
      return Record(file: file, line: line, value: element)
    }
  }

  /// An object inside this one.
  func object(_ name: String) throws(RecordFault) -> Record {
    let found = try required(name)
    guard case .object = found else { throw fault("\(name) is \(found.kind) where an object belongs") }
    return Record(file: file, line: line, value: found)
  }
}

extension JSONValue {
  /// The text of a string.
  var text: String? { if case .string(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }

  /// A number that is one.
  var finite: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number) where number.isFinite: number
    default: nil
    }
  }
}
