import Language

/// What a body's JSON may be, looked at byte by byte before anything is decoded.
///
/// A decoder descends by recursion, and the threads of a pool have small stacks: a few hundred brackets would end the process. So depth
/// is counted first, without recursion.
public struct JSONLimits: Sendable {
  /// Most brackets that are open at a time.
  public var maximumDepth = 64
  /// Most members of all objects.
  public var maximumMembers = 50_000
  /// Most elements of all lists and members of all objects.
  public var maximumValues = 100_000
  /// Longest name of a member, in bytes.
  public var maximumNameLength = 256

  /// The usual limits.
  public init() {}

  /// Reads a document that keeps the limits.
  ///
  /// A name may stand once in an object: of two, readers differ in which one they believe.
  ///
  /// - Throws: `APIError` with code `invalid_json`.
  package func parse(_ bytes: [UInt8]) throws(APIError) -> JSONValue {
    try check(bytes)
    let value: JSONValue
    do {
      value = try JSONReader.parse(bytes)
    } catch {
      throw .invalidJSON("the body is not JSON: \(error.problem) at byte \(error.offset)")
    }
    try checkNames(value)
    return value
  }

  private func check(_ bytes: [UInt8]) throws(APIError) {
    if bytes.isEmpty { throw .invalidJSON("the body is empty, expected a JSON object") }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw .invalidJSON("the body begins with a byte order mark; leave it out") }
    var scan = JSONScan()
    for (offset, byte) in bytes.enumerated() {
      if let problem = scan.take(byte) { throw .invalidJSON("the body is not JSON: \(problem) at byte \(offset)") }
      if scan.depth > maximumDepth {
        throw .invalidJSON("the body is nested deeper than \(maximumDepth) levels, at byte \(offset)")
      }
      if scan.members > maximumMembers { throw .invalidJSON("the body has more than \(maximumMembers) members") }
      if scan.values > maximumValues { throw .invalidJSON("the body has more than \(maximumValues) values") }
      if byte == UInt8(ascii: ":"), !scan.isInString, scan.stringLength > maximumNameLength {
        throw .invalidJSON("a member's name is longer than \(maximumNameLength) bytes, before byte \(offset)")
      }
    }
  }

  private func checkNames(_ value: JSONValue) throws(APIError) {
    switch value {
    case .array(let elements): for element in elements { try checkNames(element) }
    case .object(let members):
      var seen: Set<[UInt8]> = []
      for member in members {
        if !seen.insert(member.name).inserted {
          throw .invalidJSON("\"\(String(decoding: member.name, as: UTF8.self))\" stands twice in one object")
        }
        try checkNames(member.value)
      }
    default: break
    }
  }
}

/// A walk over a document's bytes that knows strings from structure, and numbers from what only looks like some.
private struct JSONScan {
  private(set) var depth = 0
  private(set) var members = 0
  private(set) var values = 0
  private(set) var isInString = false
  /// Bytes of the last string.
  private(set) var stringLength = 0
  private var escape: [UInt8]?
  private var number: [UInt8] = []

  /// - Returns: what is wrong with the byte.
  mutating func take(_ byte: UInt8) -> String? {
    if isInString { return takeInString(byte) }
    if Self.isNumeric(byte) || !number.isEmpty && (byte | 0x20) == UInt8(ascii: "e") {
      number.append(byte)
      // Longer ones are not told apart by a double.
      return number.count > 400 ? "a number of more than 400 characters" : nil
    }
    if !number.isEmpty {
      defer { number = [] }
      if !Self.isNumber(number) { return "a malformed number" }
    }
    switch byte {
    case UInt8(ascii: "\""): (isInString, stringLength) = (true, 0)
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
    case UInt8(ascii: ":"): members += 1
    case UInt8(ascii: ","): values += 1
    case 0: return "a NUL byte"
    default: break
    }
    return nil
  }

  private mutating func takeInString(_ byte: UInt8) -> String? {
    stringLength += 1
    if var text = escape {
      text.append(byte)
      escape = text.first != UInt8(ascii: "u") || text.count == 5 ? nil : text
      return text == Array("u0000".utf8) ? "a NUL character in a string" : nil
    }
    if byte == UInt8(ascii: "\\") { escape = [] } else if byte == UInt8(ascii: "\"") { isInString = false }
    return byte == 0 ? "a NUL byte" : nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private static func isNumeric(_ byte: UInt8) -> Bool { isDigit(byte) || "-+.".utf8.contains(byte) }

  /// The grammar of RFC 8259.
  private static func isNumber(_ text: [UInt8]) -> Bool {
    var rest = text[...]
    func digits() -> Int {
      let count = rest.prefix(while: isDigit).count
      rest = rest.dropFirst(count)
      return count
    }
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let hasLeadingZero = rest.first == UInt8(ascii: "0")
    let whole = digits()
    if whole == 0 || hasLeadingZero && whole > 1 { return false }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      if digits() == 0 { return false }
    }
    if let byte = rest.first, byte | 0x20 == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if let sign = rest.first, "+-".utf8.contains(sign) { rest = rest.dropFirst() }
      if digits() == 0 { return false }
    }
    return rest.isEmpty
  }
}
