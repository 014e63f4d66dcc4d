/// The `decoder` of a tokenizer.json: how tokens become text again.
struct BytePairDecoder: Sendable {
  enum Kind: Sendable, Equatable {
    /// Tokens are bytes in the byte-level alphabet.
    case byteLevel
    /// Tokens are text, some of them bytes such as `<0x0A>`; up to `strips` leading spaces of the whole are dropped.
    case text(fallsBackToBytes: Bool, strips: Int)
  }

  let kind: Kind
  private var replacements: [(pattern: [UInt8], content: [UInt8])] = []

  init(_ node: JSONNode?) throws {
    var steps: [JSONNode] = []
    if let node { steps = try node.type() == "Sequence" ? node.required("decoders").elements() : [node] }
    if steps.count == 1, try steps[0].type() == "ByteLevel" {
      kind = .byteLevel
      return
    }
    var fallsBack = false
    var fuses = false
    var strips = 0
    for step in steps {
      switch try step.type() {
      case "Replace":
        let pattern = try step.required("pattern")
        guard !fallsBack, !fuses, let text = pattern["String"] else {
          throw step.unsupported("this replacement", supported: "plain strings, in front of ByteFallback and Fuse")
        }
        replacements.append((try text.bytes(), try step.required("content").bytes()))
      case "ByteFallback": fallsBack = true
      case "Fuse": fuses = true
      case "Strip":
        guard fuses, try step.required("content").bytes() == [0x20], step["stop"]?.value ?? .integer(0) == .integer(0) else {
          throw step.unsupported("this strip", supported: "leading spaces after Fuse")
        }
        strips = try step.required("start").tokenID()
      case let other:
        throw step.unsupported(other, supported: "ByteLevel, or a sequence of Replace, ByteFallback, Fuse and Strip")
      }
    }
    guard fuses else {
      throw LanguageError.unsupported(
        path: node?.file ?? "tokenizer.json", field: "decoder", found: "a decoder without Fuse",
        supported: "ByteLevel, or a sequence of Replace, ByteFallback, Fuse and Strip")
    }
    kind = .text(fallsBackToBytes: fallsBack, strips: strips)
  }

  /// The bytes one vocabulary entry stands for.
  func decode(_ token: [UInt8]) -> [UInt8] {
    if kind == .byteLevel { return ByteLevelAlphabet.decode(token) }
    return replacements.reduce(token) { replacing($1.pattern, in: $0, with: $1.content) }
  }

  /// The value of a token such as `<0x0A>`.
  static func fallbackByte(_ token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: Array("<0x".utf8)), token[5] == UInt8(ascii: ">"),
      token[3...4].allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit })
    else { return nil }
    return UInt8(String(decoding: token[3...4], as: UTF8.self), radix: 16)
  }
}

/// Decodes byte-pair ids one at a time.
struct BytePairDetokenizer: Detokenizer {
  private let tokenizer: BytePairTokenizer
  private let skipsSpecialTokens: Bool
  private var assembler = UTF8Assembler(repair: .maximalSubpart)
  /// Fallback bytes in a row.
  ///
  /// The original turns the whole run into U+FFFD if any of it is invalid, so none of it is
  /// certain before the run ends.
  private var run: [UInt8] = []
  private var spacesToStrip = 0

  init(_ tokenizer: BytePairTokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    if case .text(_, let strips) = tokenizer.decoder.kind { spacesToStrip = strips }
  }

  mutating func append(_ id: Int) throws -> String {
    if id < 0 { throw LanguageError.invalidTokenID(id) }
    guard id < tokenizer.decodedTokens.count else { return "" }
    if skipsSpecialTokens, tokenizer.addedTokens[id]?.special == true { return "" }
    let bytes = tokenizer.decodedTokens[id]
    switch tokenizer.decoder.kind {
    case .byteLevel: return assembler.append(bytes)
    case .text(let fallsBackToBytes, _):
      if fallsBackToBytes, let byte = BytePairDecoder.fallbackByte(bytes) {
        run.append(byte)
        return ""
      }
      return stripped(endRun() + String(decoding: bytes, as: UTF8.self))
    }
  }

  mutating func finish() -> String { assembler.finish() + stripped(endRun()) }

  private mutating func endRun() -> String {
    defer { run = [] }
    return String(validating: run, as: UTF8.self) ?? String(repeating: "\u{FFFD}", count: run.count)
  }

  private mutating func stripped(_ text: String) -> String {
    var rest = Substring(text).utf8
    while spacesToStrip > 0, rest.first == 0x20 {
      rest = rest.dropFirst()
      spacesToStrip -= 1
    }
    if !rest.isEmpty { spacesToStrip = 0 }
    return String(Substring(rest))
  }
}
