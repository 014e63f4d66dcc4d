import Basics

extension Filters {
  /// Filters of text; other values are written as text first.
  static let text: [String: Filter] = [
    "string": { machine, value, _ in .string(try machine.text(value)) },
    "upper": { machine, value, _ in try machine.string(PythonString.upper(try machine.scanned(value))) },
    "lower": { machine, value, _ in try machine.string(PythonString.lower(try machine.scanned(value))) },
    "capitalize": { machine, value, _ in try machine.string(PythonString.capitalized(try machine.scanned(value))) },
    "title": { machine, value, _ in try machine.string(titled(try machine.scanned(value))) },
    "trim": { machine, value, arguments in
      let given = try arguments.bound(to: "chars", of: "the filter \"trim\"")
      let characters: String? =
        switch given[0] {
        case nil, .some(.none): nil
        case let value?: try value.string("the characters of \"trim\"")
        }
      return try machine.string(PythonString.stripped(try machine.scanned(value), characters))
    },
    "replace": { machine, value, arguments in
      let given = try arguments.bound(to: "old", "new", "count", required: 2, of: "the filter \"replace\"")
      let (old, new) = (try machine.text(given[0] ?? .none), try machine.text(given[1] ?? .none))
      let limit: Int =
        switch given[2] {
        case nil, .some(.none): -1
        case let value?: try value.integer("the count of \"replace\"")
        }
      return .string(try machine.replacing(old, in: try machine.scanned(value), with: new, limit: limit))
    },
    "indent": { machine, value, arguments in
      let given = try arguments.bound(to: "width", "first", "blank", of: "the filter \"indent\"")
      let indent: String
      switch given[0] {
      case nil: indent = "    "
      case .string(let text)?: indent = text
      case let width?: indent = String(repeating: " ", count: try machine.padding(try width.integer("the width of \"indent\"")))
      }
      let text = try value.string("what \"indent\" moves in")
      let lines = PythonString.lines(text + "\n")
      try machine.charge(lines.count * indent.utf8.count + text.utf8.count)
      let (first, blank) = (given[1]?.isTrue ?? false, given[2]?.isTrue ?? false)
      let moved = lines.enumerated().map { index, line in index > 0 && (blank || !line.isEmpty) ? indent + line : line }
      return .string((first ? indent : "") + moved.joined(separator: "\n"))
    },
    "center": { machine, value, arguments in
      let width = try arguments.bound(to: "width", of: "the filter \"center\"")[0]?.integer("the width of \"center\"") ?? 80
      let text = try machine.scanned(value)
      let (left, right) = CharacterKind.centering(try machine.padding(width - text.unicodeScalars.count), width)
      return .string(String(repeating: " ", count: left) + text + String(repeating: " ", count: right))
    },
    "truncate": { machine, value, arguments in
      let given = try arguments.bound(to: "length", "killwords", "end", "leeway", of: "the filter \"truncate\"")
      let length = try given[0]?.integer("the length of \"truncate\"") ?? 255
      let end = try given[2]?.string("the end of \"truncate\"") ?? "..."
      let leeway = try given[3]?.integer("the leeway of \"truncate\"") ?? 5
      let room = length - end.unicodeScalars.count
      if room < 0 || leeway < 0 { throw machine.failure("\"truncate\" has no room for its end") }
      let count = try machine.length(of: value)
      if count <= length || count - length <= leeway { return value }
      let scalars = try value.string("what \"truncate\" cuts").unicodeScalars
      let cut = String(scalars.prefix(room))
      let kept = given[1]?.isTrue ?? false ? cut : PythonString.split(cut, separator: " ", limit: 1, fromRight: true)[0]
      return try machine.string(kept + end)
    },
    "wordcount": { machine, value, _ in
      let words = try machine.scanned(value).unicodeScalars.split { !CharacterKind.isWord($0) }
      return .int(words.count)
    },
    "format": { machine, value, arguments in
      if !arguments.named.isEmpty { throw JinjaError(.unsupported, "the filter \"format\" with names") }
      return try machine.string(try Formatting.percent(try machine.text(value), .tuple(arguments.positional)))
    },
  ]

  /// Each word begins with a capital; words are parted by white space, hyphens and opening brackets.
  private static func titled(_ text: String) -> String {
    var result = ""
    var word = String.UnicodeScalarView()
    func end() {
      guard let first = word.first else { return }
      result += PythonString.upper(String(first)) + PythonString.lower(String(word.dropFirst()))
      word = String.UnicodeScalarView()
    }
    for scalar in text.unicodeScalars {
      if scalar.isPythonWhitespace || "-({[<".unicodeScalars.contains(scalar) {
        end()
        result.unicodeScalars.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    end()
    return result
  }
}

extension CharacterKind {
  /// `\w` of Python's regular expressions.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    isLetter(scalar) || scalar.properties.numericType != nil || scalar == "_"
  }
}

extension Machine {
  /// A value as text that a filter looks at.
  func scanned(_ value: Value) throws -> String {
    let text = try text(value)
    try scan(text)
    return text
  }
}
