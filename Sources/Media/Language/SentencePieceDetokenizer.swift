/// Decodes SentencePiece ids one at a time.
///
/// In sum this is what transformers' slow `LlamaTokenizer` gives for all of them at once:
/// 1. "▁" is a space. The very first piece loses a leading "▁"; if what is left is no piece of the model, it stays as
///    it is, underlines included (a quirk of the original, kept so that both agree).
/// 2. A legacy model also drops the dummy space in front of the first piece that gives text.
/// 3. Byte pieces in a row are joined; each byte that is not UTF-8 becomes U+FFFD.
struct SentencePieceDetokenizer: Detokenizer {
  private let tokenizer: SentencePieceTokenizer
  private var bytes = UTF8Assembler(repair: .eachByte)
  private var isFirst = true
  /// Whether the next piece may lose the dummy space.
  private var isAtStart = true
  /// Whether the piece before lost it.
  private var lostSpace = false
  private var hasText = false

  /// - Parameter isFirst: whether the next piece is the first of the whole sequence.
  init(_ tokenizer: SentencePieceTokenizer, isFirst: Bool = true) {
    self.tokenizer = tokenizer
    self.isFirst = isFirst
  }

  mutating func append(_ id: Int) throws -> String {
    if id < 0 { throw LanguageError.invalidTokenID(id) }
    if let added = tokenizer.addedTokens[id] { return added.special ? "" : appendLiteral(added.content) }
    guard id < tokenizer.model.pieces.count else { return "" }
    let piece = tokenizer.model.pieces[id]
    defer { isFirst = false }
    switch piece.kind {
    case .byte:
      guard let byte = Self.byte(of: piece.bytes) else { return "" }
      return noted(bytes.append([byte]))
    case .control: return flushBytes()
    case .unknown: return appendLiteral(String(decoding: piece.bytes, as: UTF8.self))
    case .normal: return appendPiece(piece.bytes)
    }
  }

  mutating func finish() -> String { flushBytes() }

  /// Text of an added token: it is not subject to the rules of pieces.
  mutating func appendLiteral(_ text: String) -> String {
    isFirst = false
    return noted(bytes.finish() + text)
  }

  private mutating func appendPiece(_ piece: [UInt8]) -> String {
    let space = SentencePieceTokenizer.space
    let before = flushBytes()
    var rest = piece[...]
    if isFirst, rest.starts(with: space) {
      rest = rest.dropFirst(space.count)
      if tokenizer.model.id(of: rest) == nil {
        return before + noted(String(decoding: rest, as: UTF8.self))
      }
    }
    if lostSpace || hasText { isAtStart = false }
    let settings = tokenizer.model.settings
    lostSpace = false
    if isAtStart, settings.addsDummyPrefix || settings.removesExtraWhitespace, rest.starts(with: space) {
      rest = rest.dropFirst(space.count)
      lostSpace = !settings.removesExtraWhitespace
    }
    return before + noted(String(decoding: replacing(space, in: rest, with: [0x20]), as: UTF8.self))
  }

  private mutating func flushBytes() -> String { noted(bytes.finish()) }

  private mutating func noted(_ text: String) -> String {
    if !text.isEmpty { hasText = true }
    return text
  }

  /// The value of a piece such as `<0x0A>`.
  private static func byte(of piece: [UInt8]) -> UInt8? {
    UInt8(String(decoding: piece.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
  }
}

extension SentencePieceTokenizer {
  /// A decoder for one id at a time that skips special tokens.
  public func makeDetokenizer() -> any Detokenizer { SentencePieceDetokenizer(self) }

  /// Decodes ids; added and special tokens appear as their text unless skipped.
  ///
  /// Stretches between special tokens decode on their own. A legacy tokenizer puts one space in front of each stretch
  /// that a special token ends, as the original does.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String {
    var text = ""
    var stretch = SentencePieceDetokenizer(self)
    var stretchText = ""
    var previousWasSpecial = false
    var count = 0
    for id in ids {
      if let token = addedTokens[id], token.special {
        if skipSpecialTokens { continue }
        if legacy, !previousWasSpecial, count > 0 { text += " " }
        text += stretchText + stretch.finish() + token.content
        stretch = SentencePieceDetokenizer(self, isFirst: false)
        stretchText = ""
        previousWasSpecial = true
      } else {
        stretchText += try stretch.append(id)
        previousWasSpecial = false
      }
      count += 1
    }
    return text + stretchText + stretch.finish()
  }
}
