import Foundation
import Language

/// The tokenizer of an embedded model: a SentencePiece model of few, long pieces.
///
/// Like a unigram model that was trained across spaces, it has a piece for every phrase that its text repeats: how a question begins, what
/// closes it. What closes a question is one piece with the question's last word, so that the answer is predicted at that word. Every
/// printable ASCII character is a piece as well, so anything can be asked. Of all ways to cut a text the one with the fewest pieces wins,
/// as pieces weigh the same, characters ten times as much.
public struct ShapesTokenizer: Sendable {
  /// The words that a tokenizer is made of.
  struct Words: Sendable {
    /// Special tokens from the fourth on, behind those for the unknown, the beginning and the end.
    let special: [String]
    /// How questions begin.
    let openers: [String]
    /// Words that end a question.
    let endings: [String]
    /// Words for several, with the word for one.
    let singulars: [String: String]
    /// Words of questions, of answers and of what patches are taught.
    let words: [String]
    /// The chat template, where the family has another one than Vicuna's by itself.
    var chatTemplate: String?
  }

  /// A piece that means what a word does.
  public struct Related: Sendable, Equatable {
    /// The piece's id.
    public let id: Int
    /// The word, one that `tokenID(ofWord:)` knows.
    public let word: String
  }

  /// Ids of the special tokens that all have.
  public static let unknownTokenID = 0, bosTokenID = 1, eosTokenID = 2, imageTokenID = 3

  let words: Words
  /// All pieces by id.
  let pieces: [Piece]
  private let ids: [String: Int]
  /// Pieces that close a question, with the word that they begin with.
  public let endings: [Related]
  /// Words for several, with the word for one.
  public let plurals: [Related]
  /// Words that may also stand at the beginning of a line, without a space in front, with the word that has one.
  public let beginnings: [Related]

  /// Number of pieces, special ones included.
  public var vocabularySize: Int { pieces.count }
  /// Id of the padding, the last of the special tokens.
  public var padTokenID: Int { specialCount - 1 }
  /// How many special tokens there are; they are the first ids.
  var specialCount: Int { 3 + words.special.count }

  /// The id of the piece for a word of questions and answers, or for a character of a sign.
  public func tokenID(ofWord word: String) -> Int? {
    word.count == 1 ? ids[word] : ids[Self.space + Self.spaced(word)]
  }

  // MARK: - Pieces

  static let space = "\u{2581}"

  struct Piece: Equatable, Sendable {
    enum Kind: Int { case normal = 1, unknown, control }
    let text: String
    let kind: Kind
    let score: Float
  }

  init(_ words: Words) {
    let (pieces, space) = (Self.pieces(words), Self.space)
    let ids = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ($1.text, $0) })
    (self.words, self.pieces, self.ids) = (words, pieces, ids)
    endings = words.endings.compactMap { word in ids["\(space)\(word)\(Self.closing)"].map { Related(id: $0, word: word) } }
    plurals = words.singulars.compactMap { plural, word in
      ids[space + plural].map { Related(id: $0, word: word) }
    }.sorted { $0.id < $1.id }
    beginnings = words.openers.compactMap { opener in ids[Self.spaced(opener)].map { Related(id: $0, word: opener) } }
  }

  private static func pieces(_ words: Words) -> [Piece] {
    let special = [("<unk>", Piece.Kind.unknown), ("<s>", .control), ("</s>", .control)] + words.special.map { ($0, .control) }
    var pieces = special.map { Piece(text: $0, kind: $1, score: 0) }
    var known = Set(pieces.map(\.text))
    func add(_ text: String, _ score: Float) {
      if known.insert(text).inserted { pieces.append(Piece(text: text, kind: .normal, score: score)) }
    }
    for phrase in phrases { add(phrase, -1) }
    add(space, -2)
    for word in words.words + words.openers { add(space + spaced(word), -1) }
    for opener in words.openers { add(spaced(opener), -1) }
    for word in words.endings { add("\(space)\(word)\(closing)", -1) }
    for character in Glyph.characters { add(String(character), -10) }
    add("\n", -10)
    for scalar in Unicode.Scalar(0x21 as UInt8).value...0x7e {
      if let scalar = Unicode.Scalar(scalar) { add(String(Character(scalar)), -10) }
    }
    // transformers' rules of decoding look a text's first piece up without its leading space, and leave inner ones as they are
    // where it is no piece.
    for word in words.words where word.contains(" ") { add(spaced(word), -1) }
    return pieces
  }

  static func spaced(_ text: String) -> String { text.replacingOccurrences(of: " ", with: space) }

  /// What follows a question's last word up to its answer.
  private static let closing = spaced("?\(Question.shortAnswer) \(ConversationTemplate.vicunaV1.assistantHeader)")

  /// What stands around questions in the template.
  private static var phrases: [String] {
    let template = ConversationTemplate.vicunaV1
    let opening = spaced(" \(template.system)\(template.systemSuffix)\(template.userHeader)")
    return [
      opening, opening + space, space + template.userHeader, closing, "?", spaced(Question.shortAnswer),
      spaced(" \(template.assistantHeader)"), space + "\n",
    ]
  }
}

extension ShapesTokenizer {
  /// The tokenizer of questions about pictures.
  public static let scenes = ShapesTokenizer(sceneWords)

  private static let sceneWords: Words = {
    let singulars = Dictionary(
      uniqueKeysWithValues: ShapeKind.allCases.map { ($0.plural, $0.rawValue) } + [("objects", "object")])
    let labels = PatchLabels.Group.allCases.filter { $0 != .glyph }.flatMap(PatchLabels.words)
    let relations = Relation.allCases.map { "\($0.rawValue) the" }
    return Words(
      special: ["<image>", "<pad>"],
      openers: [
        "is there a", "what color is the", "what shape is the", "what size is the", "what pattern is on the", "where is the",
        "is the", "what is the number of", "what does the sign",
      ],
      endings: ShapeKind.allCases.map(\.rawValue) + ["object"] + ShapeKind.allCases.map(\.plural) + ["objects", "say"],
      singulars: singulars,
      words: labels + singulars.keys.sorted() + ["yes", "no", "say"] + Scene.numbers + relations)
  }()
}
