/// The `normalizer` of a tokenizer.json: steps that change the text before it is divided.
struct TextNormalizer: Sendable {
  private enum Step: Sendable {
    case form(UnicodeForm)
    case lowercase
    /// Drops combining marks.
    case stripAccents
    /// Drops whitespace at the ends.
    case strip(left: Bool, right: Bool)
    /// Puts bytes in front of any text that is not empty.
    case prepend([UInt8])
    case replace(TextPattern, with: [UInt8])
  }

  private var steps: [Step] = []

  /// Reads the field; absent means no steps.
  init(_ node: JSONNode?) throws {
    if let node { steps = try Self.steps(node) }
  }

  private static func steps(_ node: JSONNode) throws -> [Step] {
    switch try node.type() {
    case "Sequence": return try node.required("normalizers").elements().flatMap { try steps($0) }
    case "Lowercase": return [.lowercase]
    case "StripAccents": return [.stripAccents]
    case "Strip":
      return [.strip(left: try node["strip_left"]?.bool() ?? true, right: try node["strip_right"]?.bool() ?? true)]
    case "Prepend": return [.prepend(try node.required("prepend").bytes())]
    case "Replace":
      return [.replace(try TextPattern(try node.required("pattern")), with: try node.required("content").bytes())]
    case let other:
      if let form = UnicodeForm(rawValue: other) { return [.form(form)] }
      let forms = UnicodeForm.allCases.map(\.rawValue).joined(separator: ", ")
      throw node.unsupported(other, supported: forms + ", Lowercase, Prepend, Replace, Strip, StripAccents, Sequence")
    }
  }

  /// - Throws: `LanguageError.encodingFailed` where a regular expression takes too many steps, or memory runs out.
  func apply(_ text: [UInt8]) throws -> [UInt8] {
    var text = text
    for step in steps {
      switch step {
      case .form(let form): text = try form.apply(to: text)
      case .lowercase:
        // Character by character, so that a sigma at the end of a word is like any other.
        text = text[...].scalars.flatMap { $0.scalar.properties.lowercaseMapping.utf8 }
      case .stripAccents:
        text = text[...].scalars.filter { !$0.scalar.isMark }.flatMap { text[$0.range] }
      case .strip(let left, let right):
        var scalars = text[...].scalars[...]
        if left { scalars = scalars.drop { $0.scalar.properties.isWhitespace } }
        while right, scalars.last?.scalar.properties.isWhitespace == true { scalars.removeLast() }
        text =
          scalars.first.flatMap { first in scalars.last.map { Array(text[first.range.lowerBound..<$0.range.upperBound]) } } ?? []
      case .prepend(let prefix): if !text.isEmpty { text = prefix + text }
      case .replace(let pattern, let replacement):
        text = replacing(try pattern.pieces(of: text[...]).filter(\.isMatch).map(\.range), in: text[...], with: replacement)
      }
    }
    return text
  }
}
