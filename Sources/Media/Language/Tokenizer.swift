/// Turns text into token ids and back.
public protocol Tokenizer: Sendable {
  /// One more than the largest id, added tokens included.
  var vocabularySize: Int { get }
  /// The id that begins a sequence, where the tokenizer has one.
  var bosTokenID: Int? { get }
  /// The id that ends a sequence or an answer.
  var eosTokenID: Int? { get }
  /// The id batches are padded with.
  var padTokenID: Int? { get }
  /// The id of pieces the vocabulary cannot express.
  var unknownTokenID: Int? { get }

  /// Encodes a text; special tokens spelt out in it, such as `</s>`, become their ids.
  ///
  /// - Parameter addSpecialTokens: add what the tokenizer's own files ask for, as a rule one BOS id in front.
  /// - Throws: `LanguageError.encodingFailed`.
  func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int]

  /// Decodes ids; bytes that are not UTF-8 become U+FFFD.
  ///
  /// Ids beyond the vocabulary decode to nothing, since embedding tables are often padded beyond it.
  /// - Throws: `LanguageError.invalidTokenID` for a negative id, such as an image placeholder.
  func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String

  /// The id of one piece, added and special tokens included.
  func tokenID(of piece: String) -> Int?

  /// The spellings that `encode` turns into special tokens.
  ///
  /// None unless a tokenizer says otherwise.
  var specialSpellings: [String] { get }

  /// The ids that the model wants before and after a picture; none unless a tokenizer says otherwise.
  var imageFrame: (before: [Int], after: [Int]) { get }

  /// A decoder that takes one id at a time and skips special tokens.
  ///
  /// The default decodes everything anew for each id; tokenizers with a cheaper way bring their own.
  func makeDetokenizer() -> any Detokenizer
}

/// Decodes ids one at a time: all returned pieces together are what `decode` gives for all ids.
public protocol Detokenizer: Sendable {
  /// The text that is certain once this id is known: possibly empty, never part of a character.
  mutating func append(_ id: Int) throws -> String
  /// What was held back because more could have followed.
  mutating func finish() throws -> String
}

extension Tokenizer {
  /// None.
  public var imageFrame: (before: [Int], after: [Int]) { ([], []) }

  /// None.
  public var specialSpellings: [String] { [] }

  /// A decoder that decodes all ids anew each time and holds back a trailing U+FFFD, which may be half a character.
  public func makeDetokenizer() -> any Detokenizer { RepeatingDetokenizer(tokenizer: self) }
}

private struct RepeatingDetokenizer: Detokenizer {
  let tokenizer: any Tokenizer
  var ids: [Int] = []
  var emitted = 0

  mutating func append(_ id: Int) throws -> String {
    ids.append(id)
    var text = Array(try tokenizer.decode(ids, skipSpecialTokens: true).utf8)
    while text.suffix(3).elementsEqual("\u{FFFD}".utf8) { text.removeLast(3) }
    return emit(text)
  }

  mutating func finish() throws -> String { emit(Array(try tokenizer.decode(ids, skipSpecialTokens: true).utf8)) }

  private mutating func emit(_ text: [UInt8]) -> String {
    guard text.count > emitted else { return "" }
    defer { emitted = text.count }
    return String(decoding: text[emitted...], as: UTF8.self)
  }
}

/// Text as it grows while a model generates: never a broken character, and in sum exactly what `decode` gives.
///
/// ```swift
/// var stream = TextStream(tokenizer)
/// for id in ids { print(try stream.append(id), terminator: "") }
/// print(try stream.finish())
/// ```
public struct TextStream: Sendable {
  private var detokenizer: any Detokenizer

  /// A stream that skips special tokens.
  public init(_ tokenizer: some Tokenizer) { detokenizer = tokenizer.makeDetokenizer() }

  /// The text that this id makes certain: often empty inside a character, never part of one.
  ///
  /// - Throws: `LanguageError.invalidTokenID` for a negative id.
  public mutating func append(_ id: Int) throws -> String { try detokenizer.append(id) }

  /// What was still held back; an unfinished character becomes U+FFFD.
  public mutating func finish() throws -> String { try detokenizer.finish() }
}
