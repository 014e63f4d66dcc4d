/// The `normalizer` of a tokenizer.json: steps that change the text before it is divided.
struct TextNormalizer: Sendable {
  enum Step: Sendable {
    /// Canonical composition (Unicode NFC).
    case nfc
    /// Puts bytes in front of any text that is not empty.
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
  }

  var steps: [Step] = []

  /// Reads the field; absent means no steps.
  init(_ node: JSONNode?) throws {
    if let node { steps = try Self.steps(node) }
  }

  private static func steps(_ node: JSONNode) throws -> [Step] {
    switch try node.type() {
    case "NFC": return [.nfc]
    case "Prepend": return [.prepend(try node.required("prepend").bytes())]
    case "Replace":
      let pattern = try node.required("pattern")
      guard let text = pattern["String"] else {
        throw pattern.unsupported("a regular expression", supported: "a plain string")
      }
      return [.replace(try text.bytes(), with: try node.required("content").bytes())]
    case "Sequence": return try node.required("normalizers").elements().flatMap { try steps($0) }
    case let other: throw node.unsupported(other, supported: "NFC, Prepend, Replace and Sequence")
    }
  }

  func apply(_ text: [UInt8]) -> [UInt8] {
    var text = text
    for step in steps {
      switch step {
      case .nfc: text = CanonicalComposition.compose(text)
      case .prepend(let prefix): if !text.isEmpty { text = prefix + text }
      case .replace(let pattern, let replacement): text = replacing(pattern, in: text, with: replacement)
      }
    }
    return text
  }
}
