/// A tokenizer of a model that marks where a picture begins and ends.
///
/// `encodeWithImages` puts the marks around pictures that have none.
public struct FramedTokenizer: Tokenizer {
  private let inner: any Tokenizer
  /// Ids before and after a picture.
  public let imageFrame: (before: [Int], after: [Int])

  /// A tokenizer that does all else as another one.
  public init(_ inner: any Tokenizer, before: [Int], after: [Int]) {
    self.inner = inner
    imageFrame = (before, after)
  }

  /// As the other one's.
  public var vocabularySize: Int { inner.vocabularySize }
  /// As the other one's.
  public var bosTokenID: Int? { inner.bosTokenID }
  /// As the other one's.
  public var eosTokenID: Int? { inner.eosTokenID }
  /// As the other one's.
  public var padTokenID: Int? { inner.padTokenID }
  /// As the other one's.
  public var unknownTokenID: Int? { inner.unknownTokenID }
  /// As the other one's.
  public var specialSpellings: [String] { inner.specialSpellings }

  /// As the other one.
  public func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int] {
    try inner.encode(text, addSpecialTokens: addSpecialTokens)
  }
  /// As the other one.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String {
    try inner.decode(ids, skipSpecialTokens: skipSpecialTokens)
  }
  /// As the other one.
  public func tokenID(of piece: String) -> Int? { inner.tokenID(of: piece) }
  /// As the other one.
  public func makeDetokenizer() -> any Detokenizer { inner.makeDetokenizer() }
}
