import Basics

/// Methods of strings.
enum StringMethods {
  typealias Method = @Sendable (Machine, String, Arguments) throws -> Value

  static func method(_ name: String, of text: String) -> Value? {
    if let method = all[name] {
      return .function(
        .init("str.\(name)") { machine, arguments in
          try machine.scan(text)
          let result = try method(machine, text, arguments)
          try machine.charge(result.size)
          return result
        })
    }
    guard others.contains(name) else { return nil }
    return .function(.init("str.\(name)") { _, _ in throw JinjaError(.unsupported, "str.\(name)") })
  }

  /// Methods that Python has and this subset has not.
  private static let others: Set<String> = [
    "casefold", "encode", "expandtabs", "format_map", "isascii", "isidentifier", "isprintable", "istitle", "maketrans",
    "swapcase",
    "translate",
  ]

  private static let all: [String: Method] = [
    "strip": { .string(try stripped($1, $2, "strip", left: true, right: true)) },
    "lstrip": { .string(try stripped($1, $2, "lstrip", left: true, right: false)) },
    "rstrip": { .string(try stripped($1, $2, "rstrip", left: false, right: true)) },
    "split": { try split($1, $2, "split", fromRight: false) },
    "rsplit": { try split($1, $2, "rsplit", fromRight: true) },
    "splitlines": { _, text, arguments in
      let keeps = try arguments.bound(to: "keepends", of: "str.splitlines")[0]?.isTrue ?? false
      return .list(PythonString.lines(text, keepsEnds: keeps).map { .string($0) })
    },
    "partition": { try partition($1, $2, "partition", fromRight: false) },
    "rpartition": { try partition($1, $2, "rpartition", fromRight: true) },
    "startswith": { try begins($1, $2, "startswith") { $0.starts(with: $1) } },
    "endswith": { try begins($1, $2, "endswith") { $0.reversed().starts(with: $1.reversed()) } },
    "removeprefix": { _, text, arguments in
      let part = try only(arguments, "removeprefix")
      return .string(
        text.utf8.starts(with: part.utf8) ? String(decoding: text.utf8.dropFirst(part.utf8.count), as: UTF8.self) : text)
    },
    "removesuffix": { _, text, arguments in
      let part = try only(arguments, "removesuffix")
      let ends = !part.isEmpty && text.utf8.reversed().starts(with: part.utf8.reversed())
      return .string(ends ? String(decoding: text.utf8.dropLast(part.utf8.count), as: UTF8.self) : text)
    },
    "replace": { machine, text, arguments in
      let values = try arguments.bound(to: "old", "new", "count", required: 2, of: "str.replace")
      let old = try (values[0] ?? .none).string("the first argument of str.replace")
      let new = try (values[1] ?? .none).string("the second argument of str.replace")
      return .string(
        try machine.replacing(old, in: text, with: new, limit: try values[2]?.integer("the count of str.replace") ?? -1))
    },
    "upper": { .string(PythonString.upper(try bare($1, $2, "upper"))) },
    "lower": { .string(PythonString.lower(try bare($1, $2, "lower"))) },
    "title": { .string(PythonString.titled(try bare($1, $2, "title"))) },
    "capitalize": { .string(PythonString.capitalized(try bare($1, $2, "capitalize"))) },
    "join": { machine, text, arguments in
      let values = try arguments.bound(to: "iterable", required: 1, of: "str.join")
      let parts = try machine.elements(of: values[0] ?? .none).map { try $0.string("an element that str.join joins") }
      try machine.charge(parts.reduce(0) { $0 + $1.utf8.count + text.utf8.count })
      return .string(parts.joined(separator: text))
    },
    "find": { .int(try place($1, $2, "find", last: false) ?? -1) },
    "rfind": { .int(try place($1, $2, "rfind", last: true) ?? -1) },
    "index": { _, text, arguments in
      guard let found = try place(text, arguments, "index", last: false) else {
        throw JinjaError(.failed, "str.index finds nothing")
      }
      return .int(found)
    },
    "rindex": { _, text, arguments in
      guard let found = try place(text, arguments, "rindex", last: true) else {
        throw JinjaError(.failed, "str.rindex finds nothing")
      }
      return .int(found)
    },
    "count": { _, text, arguments in
      let part = try only(arguments, "count")
      let count =
        part.isEmpty
        ? text.unicodeScalars.count + 1 : PythonString.places(of: Array(part.utf8), in: Array(text.utf8)).count
      return .int(count)
    },
    "isdigit": {
      .bool(try all($1, $2, "isdigit") { $0.properties.numericType == .decimal || $0.properties.numericType == .digit })
    },
    "isdecimal": { .bool(try all($1, $2, "isdecimal") { $0.properties.numericType == .decimal }) },
    "isnumeric": { .bool(try all($1, $2, "isnumeric") { $0.properties.numericType != nil }) },
    "isalpha": { .bool(try all($1, $2, "isalpha", CharacterKind.isLetter)) },
    "isalnum": { .bool(try all($1, $2, "isalnum") { CharacterKind.isLetter($0) || $0.properties.numericType != nil }) },
    "isspace": { .bool(try all($1, $2, "isspace", \.isPythonWhitespace)) },
    "isupper": { .bool(CharacterKind.isUpper(try bare($1, $2, "isupper"))) },
    "islower": { .bool(CharacterKind.isLower(try bare($1, $2, "islower"))) },
    "zfill": { machine, text, arguments in
      let width = try arguments.bound(to: "width", required: 1, of: "str.zfill")[0]?.integer("the width of str.zfill") ?? 0
      let missing = try machine.padding(width - text.unicodeScalars.count)
      let sign = text.unicodeScalars.first.map { $0 == "-" || $0 == "+" } ?? false ? 1 : 0
      let zeros = String(repeating: "0", count: missing)
      return .string(String(text.unicodeScalars.prefix(sign)) + zeros + String(text.unicodeScalars.dropFirst(sign)))
    },
    "ljust": { .string(try justified($0, $1, $2, "ljust") { missing, _ in (0, missing) }) },
    "rjust": { .string(try justified($0, $1, $2, "rjust") { missing, _ in (missing, 0) }) },
    "center": { .string(try justified($0, $1, $2, "center", CharacterKind.centering)) },
    "format": { machine, text, arguments in .string(try Formatting.braces(text, arguments, machine)) },
  ]

  private static func bare(_ text: String, _ arguments: Arguments, _ name: String) throws -> String {
    _ = try arguments.bound(of: "str.\(name)")
    return text
  }

  private static func only(_ arguments: Arguments, _ name: String) throws -> String {
    try (arguments.bound(to: "value", required: 1, of: "str.\(name)")[0] ?? .none).string("the argument of str.\(name)")
  }

  private static func optional(_ value: Value?, _ what: String) throws -> String? {
    switch value {
    case nil, .some(.none): nil
    case let value?: try value.string(what)
    }
  }

  private static func stripped(_ text: String, _ arguments: Arguments, _ name: String, left: Bool, right: Bool) throws -> String {
    let values = try arguments.bound(to: "chars", of: "str.\(name)")
    let characters = try optional(values[0], "the characters of str.\(name)")
    return PythonString.stripped(text, characters, left: left, right: right)
  }

  private static func split(_ text: String, _ arguments: Arguments, _ name: String, fromRight: Bool) throws -> Value {
    let values = try arguments.bound(to: "sep", "maxsplit", of: "str.\(name)")
    let limit = try values[1]?.integer("the maxsplit of str.\(name)") ?? -1
    guard let separator = try optional(values[0], "the separator of str.\(name)") else {
      return .list(PythonString.words(text, limit: limit, fromRight: fromRight).map { .string($0) })
    }
    if separator.isEmpty { throw JinjaError(.failed, "the separator of str.\(name) is empty") }
    return .list(PythonString.split(text, separator: separator, limit: limit, fromRight: fromRight).map { .string($0) })
  }

  private static func partition(_ text: String, _ arguments: Arguments, _ name: String, fromRight: Bool) throws -> Value {
    let separator = try only(arguments, name)
    if separator.isEmpty { throw JinjaError(.failed, "the separator of str.\(name) is empty") }
    let parts = PythonString.split(text, separator: separator, limit: 1, fromRight: fromRight)
    if parts.count == 2 { return .tuple([.string(parts[0]), .string(separator), .string(parts[1])]) }
    return .tuple(fromRight ? [.string(""), .string(""), .string(text)] : [.string(text), .string(""), .string("")])
  }

  /// `startswith` and `endswith`: a string, or a tuple of which one has to fit.
  private static func begins(
    _ text: String, _ arguments: Arguments, _ name: String, _ fits: (String.UTF8View, String.UTF8View) -> Bool
  ) throws -> Value {
    guard arguments.positional.count == 1, arguments.named.isEmpty else {
      throw JinjaError(.unsupported, "str.\(name) with other than one argument")
    }
    let what = "the argument of str.\(name)"
    if case .tuple(let parts) = arguments.positional[0] {
      return .bool(try parts.contains { fits(text.utf8, try $0.string(what).utf8) })
    }
    return .bool(fits(text.utf8, try arguments.positional[0].string(what).utf8))
  }

  /// Where a part begins, in code points.
  private static func place(_ text: String, _ arguments: Arguments, _ name: String, last: Bool) throws -> Int? {
    guard arguments.positional.count == 1 else { throw JinjaError(.unsupported, "str.\(name) with other than one argument") }
    let part = Array(try only(arguments, name).utf8)
    let bytes = Array(text.utf8)
    if part.isEmpty { return last ? text.unicodeScalars.count : 0 }
    let found: Int?
    if last {
      found = PythonString.places(of: part.reversed(), in: bytes.reversed(), limit: 1).first.map { bytes.count - $0 - part.count }
    } else {
      found = PythonString.places(of: part, in: bytes, limit: 1).first
    }
    return found.map { String(decoding: bytes[..<$0], as: UTF8.self).unicodeScalars.count }
  }

  private static func all(
    _ text: String, _ arguments: Arguments, _ name: String, _ fits: (Unicode.Scalar) -> Bool
  ) throws -> Bool {
    try !bare(text, arguments, name).isEmpty && text.unicodeScalars.allSatisfy(fits)
  }

  private static func justified(
    _ machine: Machine, _ text: String, _ arguments: Arguments, _ name: String, _ sides: (Int, Int) -> (Int, Int)
  ) throws -> String {
    let values = try arguments.bound(to: "width", "fillchar", required: 1, of: "str.\(name)")
    let width = try values[0]?.integer("the width of str.\(name)") ?? 0
    let fill = try optional(values[1], "the filling of str.\(name)") ?? " "
    if fill.unicodeScalars.count != 1 { throw JinjaError(.failed, "the filling of str.\(name) is not one character") }
    let (left, right) = sides(try machine.padding(width - text.unicodeScalars.count), width)
    return String(repeating: fill, count: left) + text + String(repeating: fill, count: right)
  }
}

/// Kinds of characters and of texts, as Python tells them apart.
enum CharacterKind {
  static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  static func isUpper(_ text: String) -> Bool { has(text, \.isUppercase, not: \.isLowercase) }
  static func isLower(_ text: String) -> Bool { has(text, \.isLowercase, not: \.isUppercase) }

  private static func has(
    _ text: String, _ wanted: KeyPath<Unicode.Scalar.Properties, Bool>, not other: KeyPath<Unicode.Scalar.Properties, Bool>
  ) -> Bool {
    var found = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      if properties[keyPath: other] || properties.generalCategory == .titlecaseLetter { return false }
      found = found || properties[keyPath: wanted]
    }
    return found
  }

  /// Where Python's `center` puts what is missing: of an odd number the one more goes to the left where the width is odd too.
  static func centering(_ missing: Int, _ width: Int) -> (Int, Int) {
    let left = missing / 2 + (missing & width & 1)
    return (left, missing - left)
  }
}

extension Machine {
  /// How many characters are to be filled in.
  func padding(_ missing: Int) throws -> Int {
    try charge(max(0, missing) > Self.maximumBytes ? Int(Int32.max) : max(0, missing) * 4)
    return max(0, missing)
  }

  /// Replaces text, counted before it is made.
  func replacing(_ old: String, in text: String, with new: String, limit: Int) throws -> String {
    let places =
      old.isEmpty
      ? text.unicodeScalars.count + 1 : PythonString.places(of: Array(old.utf8), in: Array(text.utf8)).count
    let (grown, overflows) = places.multipliedReportingOverflow(by: new.utf8.count)
    try charge(overflows ? Int(Int32.max) : text.utf8.count + grown)
    return PythonString.replacing(old, in: text, with: new, limit: limit)
  }
}
