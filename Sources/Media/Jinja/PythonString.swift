import Basics

/// Strings as Python sees them: sequences of code points, compared by these.
enum PythonString {
  /// Python's `repr`.
  static func literal(_ text: String) -> String {
    let quote: Unicode.Scalar = text.utf8.contains(UInt8(ascii: "'")) && !text.utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
    var result = String.UnicodeScalarView([quote])
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", quote: result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case _ where isPrintable(scalar): result.append(scalar)
      default: result.append(contentsOf: escape(scalar.value).unicodeScalars)
      }
    }
    result.append(quote)
    return String(result)
  }

  private static func escape(_ code: UInt32) -> String {
    let digits = String(code, radix: 16)
    func padded(_ width: Int) -> String { String(repeating: "0", count: max(0, width - digits.count)) + digits }
    return code < 0x100 ? "\\x" + padded(2) : code < 0x10000 ? "\\u" + padded(4) : "\\U" + padded(8)
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  /// Without white space, or characters of a set, at its ends.
  static func stripped(_ text: String, _ characters: String? = nil, left: Bool = true, right: Bool = true) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func isDropped(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonWhitespace }
    var rest = text.unicodeScalars[...]
    if left { rest = rest.drop(while: isDropped) }
    if right { while let last = rest.last, isDropped(last) { rest.removeLast() } }
    return String(rest)
  }

  /// Places of a pattern, from left to right and without overlap; an empty one is nowhere.
  static func places(of pattern: [UInt8], in bytes: [UInt8], limit: Int = .max) -> [Int] {
    guard let first = pattern.first else { return [] }
    var found: [Int] = []
    var place = 0
    while place + pattern.count <= bytes.count, found.count < limit {
      if bytes[place] == first, bytes[place...].starts(with: pattern) {
        found.append(place)
        place += pattern.count
      } else {
        place += 1
      }
    }
    return found
  }

  static func contains(_ pattern: String, in text: String) -> Bool {
    pattern.utf8.isEmpty || !places(of: Array(pattern.utf8), in: Array(text.utf8), limit: 1).isEmpty
  }

  /// Python's `split` at a separator, from the left or from the right.
  static func split(_ text: String, separator: String, limit: Int, fromRight: Bool = false) -> [String] {
    let (bytes, pattern) = (Array(text.utf8), Array(separator.utf8))
    let limit = limit < 0 ? Int.max : limit
    var places = places(of: pattern, in: bytes, limit: fromRight ? .max : limit)
    if fromRight {
      // From the right overlapping places may be other ones.
      let mirrored = Self.places(of: pattern.reversed(), in: bytes.reversed(), limit: limit)
      places = mirrored.map { bytes.count - $0 - pattern.count }.reversed()
    }
    var parts: [String] = []
    var begin = 0
    for place in places {
      parts.append(String(decoding: bytes[begin..<place], as: UTF8.self))
      begin = place + pattern.count
    }
    parts.append(String(decoding: bytes[begin...], as: UTF8.self))
    return parts
  }

  /// Python's `split` at white space.
  static func words(_ text: String, limit: Int, fromRight: Bool = false) -> [String] {
    var scalars = Array(text.unicodeScalars)
    if fromRight { scalars.reverse() }
    var words: [[Unicode.Scalar]] = []
    var rest = scalars[...].drop(while: \.isPythonWhitespace)
    while !rest.isEmpty {
      if limit >= 0, words.count == limit {
        while let last = rest.last, last.isPythonWhitespace { rest.removeLast() }
        words.append(Array(rest))
        break
      }
      let word = rest.prefix { !$0.isPythonWhitespace }
      words.append(Array(word))
      rest = rest[word.endIndex...].drop(while: \.isPythonWhitespace)
    }
    if fromRight { words = words.reversed().map { $0.reversed() } }
    return words.map { String(String.UnicodeScalarView($0)) }
  }

  /// Python's `splitlines`.
  static func lines(_ text: String, keepsEnds: Bool = false) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var isBehindReturn = false
    var isOpen = false
    for scalar in text.unicodeScalars {
      if isBehindReturn, scalar == "\n" {
        isBehindReturn = false
        if keepsEnds, let last = lines.popLast() { lines.append(last + "\n") }
        continue
      }
      isBehindReturn = scalar == "\r"
      switch scalar.value {
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        if keepsEnds { line.append(scalar) }
        lines.append(String(line))
        line = String.UnicodeScalarView()
        isOpen = false
      default:
        line.append(scalar)
        isOpen = true
      }
    }
    if isOpen { lines.append(String(line)) }
    return lines
  }

  static func replacing(_ old: String, in text: String, with new: String, limit: Int) -> String {
    let limit = limit < 0 ? Int.max : limit
    if !old.utf8.isEmpty { return split(text, separator: old, limit: limit == .max ? -1 : limit).joined(separator: new) }
    // Python puts the new text between all characters, and at both ends.
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      if count < limit {
        result += new
        count += 1
      }
      result.unicodeScalars.append(scalar)
    }
    return count < limit ? result + new : result
  }

  /// Python's `lower`: a capital sigma at the end of a word becomes a final one.
  static func lower(_ text: String) -> String {
    guard text.unicodeScalars.contains("\u{3A3}") else { return text.lowercased() }
    let scalars = Array(text.unicodeScalars)
    var result = ""
    for (index, scalar) in scalars.enumerated() {
      result += scalar == "\u{3A3}" ? smallSigma(at: index, in: scalars) : scalar.properties.lowercaseMapping
    }
    return result
  }

  private static func smallSigma(at index: Int, in scalars: [Unicode.Scalar]) -> String {
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return (before?.properties.isCased ?? false) && !(after?.properties.isCased ?? false) ? "\u{3C2}" : "\u{3C3}"
  }

  static func upper(_ text: String) -> String { text.unicodeScalars.map(\.properties.uppercaseMapping).joined() }

  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return "" }
    // The rest is lowered as part of the whole, since a final sigma looks at what stands before it.
    let lowered = lower(text).unicodeScalars
    let rest = lowered.dropFirst(first.properties.lowercaseMapping.unicodeScalars.count)
    return first.properties.titlecaseMapping + String(rest)
  }

  /// Python's `title`: each letter behind none is a capital.
  static func titled(_ text: String) -> String {
    var result = ""
    var isInWord = false
    let scalars = Array(text.unicodeScalars)
    for (index, scalar) in scalars.enumerated() {
      if isInWord {
        result += scalar == "\u{3A3}" ? smallSigma(at: index, in: scalars) : scalar.properties.lowercaseMapping
      } else {
        result += scalar.properties.titlecaseMapping
      }
      isInWord = scalar.properties.isCased
    }
    return result
  }
}
