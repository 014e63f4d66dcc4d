import Language

/// A value of a request that knows its path there, so that every complaint can name it.
package struct RequestNode: Sendable {
  package let value: JSONValue
  package let path: String

  package init(_ value: JSONValue, _ path: String = "") { (self.value, self.path) = (value, path) }

  private func path(of name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  /// The members of an object by name.
  ///
  /// - Throws: `APIError` where it is no object.
  package func members() throws(APIError) -> [(name: String, node: RequestNode)] {
    guard case .object(let members) = value else { throw wrongKind("an object") }
    return members.map { member in
      let name = String(decoding: member.name, as: UTF8.self)
      return (name, RequestNode(member.value, path(of: name)))
    }
  }

  /// A member; nil where it is absent or null.
  package subscript(name: String) -> RequestNode? {
    guard let node = given(name), node.value != .null else { return nil }
    return node
  }

  /// A member, null too; nil where it is absent.
  package func given(_ name: String) -> RequestNode? {
    guard case .object(let members) = value else { return nil }
    return members.first { $0.name.elementsEqual(name.utf8) }.map { RequestNode($0.value, path(of: name)) }
  }

  /// True for null, and for lists and objects that hold nothing.
  package var isEmpty: Bool {
    switch value {
    case .null: true
    case .array(let elements): elements.isEmpty
    case .object(let members): members.isEmpty
    default: false
    }
  }

  package func elements(_ range: ClosedRange<Int>, _ what: String) throws(APIError) -> [RequestNode] {
    guard case .array(let elements) = value else { throw wrongKind("a list of \(what)") }
    guard range.contains(elements.count) else {
      throw .invalidValue(path, "\(path) has \(elements.count) \(what), expected \(range.lowerBound) to \(range.upperBound)")
    }
    return elements.enumerated().map { RequestNode($1, "\(path)[\($0)]") }
  }

  /// A text.
  ///
  /// - Parameter isOneLine: control characters, line breaks too, are refused.
  package func string(_ length: ClosedRange<Int> = 0...Int.max, isOneLine: Bool = false) throws(APIError) -> String {
    guard case .string(let bytes) = value else { throw wrongKind("a string") }
    guard length.contains(bytes.count) else {
      throw .invalidValue(
        path,
        bytes.isEmpty
          ? "\(path) is empty" : "\(path) has \(bytes.count) bytes, expected \(length.lowerBound) to \(length.upperBound)")
    }
    if isOneLine, bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw .invalidValue(path, "\(path) has control characters; leave them out")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  package func integer(_ range: ClosedRange<Int>) throws(APIError) -> Int {
    guard case .integer(let found) = value, range.contains(found) else {
      throw .invalidValue(path, "\(path) is \(shown), expected a whole number, \(range.lowerBound) to \(range.upperBound)")
    }
    return found
  }

  package func number(_ range: ClosedRange<Double>) throws(APIError) -> Double {
    let found: Double? =
      switch value {
      case .integer(let integer): Double(integer)
      case .number(let number): number
      default: nil
      }
    guard let found, range.contains(found) else {
      throw .invalidValue(path, "\(path) is \(shown), expected a number, \(range.lowerBound) to \(range.upperBound)")
    }
    return found
  }

  package func bool() throws(APIError) -> Bool {
    guard case .bool(let found) = value else { throw wrongKind("true or false") }
    return found
  }

  /// One of some words.
  package func choice<Choice: RawRepresentable & CaseIterable>(_: Choice.Type = Choice.self) throws(APIError) -> Choice
  where Choice.RawValue == String {
    let words = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    guard case .string(let bytes) = value, let found = Choice(rawValue: String(decoding: bytes, as: UTF8.self)) else {
      throw .invalidValue(path, "\(path) is \(shown), expected one of \(words)")
    }
    return found
  }

  /// Refuses members that are not named.
  package func requireKnown(_ names: Set<String>) throws(APIError) {
    for (name, node) in try members() where !names.contains(name) {
      throw APIError(
        400, code: "unknown_parameter", param: node.path.shortened(120),
        "\(node.path.shortened(120)) is not known; known are \(names.sorted().joined(separator: ", "))")
    }
  }

  package func wrongKind(_ expected: String) -> APIError {
    .invalidValue(path, "\(path.isEmpty ? "the body" : path) is \(value.kind), expected \(expected)")
  }

  /// The value in a few characters, for messages.
  package var shown: String {
    switch value {
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .string(let bytes): "\"\(String(decoding: bytes, as: UTF8.self).shortened(40))\""
    case .bool(let bool): "\(bool)"
    default: value.kind
    }
  }
}

extension String {
  /// At most so many characters, without line breaks.
  package func shortened(_ count: Int) -> String {
    let line = String(unicodeScalars.prefix(count + 1).map { $0.value < 0x20 ? " " : Character($0) })
    return unicodeScalars.count > count ? line.prefix(count) + "…" : line
  }
}
