import Foundation
import Language

/// The tokenizer of the embedded model: a SentencePiece model of few, long pieces.
///
/// Like a unigram model that was trained across spaces, it has a piece for every phrase that its text repeats: how a question begins, what
/// closes it. What closes a question is one piece with the question's last word, so that the answer is predicted at that word. Every
/// printable ASCII character is a piece as well, so anything can be asked. Of all ways to cut a text the one with the fewest pieces wins,
/// as pieces weigh the same, characters ten times as much.
public enum ShapesTokenizer {
  /// Ids of the special tokens.
  public static let unknownTokenID = 0, bosTokenID = 1, eosTokenID = 2, imageTokenID = 3, padTokenID = 4
  /// Number of pieces, special ones included.
  public static var vocabularySize: Int { pieces.count }

  /// A piece that means what a word does.
  public struct Related: Sendable, Equatable {
    /// The piece's id.
    public let id: Int
    /// The word, one that `tokenID(ofWord:)` knows.
    public let word: String
  }

  /// Pieces that close a question, with the word that they begin with.
  public static let endings: [Related] = endingWords.compactMap { word in
    ids["\(space)\(word)\(closing)"].map { Related(id: $0, word: word) }
  }

  /// Words for several, with the word for one.
  public static let plurals: [Related] = singulars.compactMap { plural, word in
    ids[space + plural].map { Related(id: $0, word: word) }
  }.sorted { $0.id < $1.id }

  /// Words that may also stand at the beginning of a line, without a space in front, with the word that has one.
  public static let beginnings: [Related] = openers.compactMap { opener in
    ids[spaced(opener)].map { Related(id: $0, word: opener) }
  }

  /// The id of the piece for a word of questions and answers, or for a character of a sign.
  public static func tokenID(ofWord word: String) -> Int? {
    word.count == 1 ? ids[word] : ids[space + spaced(word)]
  }

  // MARK: - Pieces

  static let space = "\u{2581}"

  struct Piece: Equatable {
    enum Kind: Int { case normal = 1, unknown, control }
    let text: String
    let kind: Kind
    let score: Float
  }

  /// All pieces by id.
  static let pieces: [Piece] = {
    let special = [
      ("<unk>", Piece.Kind.unknown), ("<s>", .control), ("</s>", .control), ("<image>", .control), ("<pad>", .control),
    ]
    var pieces = special.map { Piece(text: $0, kind: $1, score: 0) }
    var known = Set(pieces.map(\.text))
    func add(_ text: String, _ score: Float) {
      if known.insert(text).inserted { pieces.append(Piece(text: text, kind: .normal, score: score)) }
    }
    for phrase in phrases { add(phrase, -1) }
    add(space, -2)
    for word in words + openers { add(space + spaced(word), -1) }
    for opener in openers { add(spaced(opener), -1) }
    for word in endingWords { add("\(space)\(word)\(closing)", -1) }
    for character in Glyph.characters { add(String(character), -10) }
    add("\n", -10)
    for scalar in Unicode.Scalar(0x21 as UInt8).value...0x7e {
      if let scalar = Unicode.Scalar(scalar) { add(String(Character(scalar)), -10) }
    }
    // transformers' rules of decoding look a text's first piece up without its leading space, and leave inner ones as they are
    // where it is no piece.
    for word in words where word.contains(" ") { add(spaced(word), -1) }
    return pieces
  }()

  private static let ids = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ($1.text, $0) })

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

  /// How questions begin.
  private static let openers = [
    "is there a", "what color is the", "what shape is the", "what size is the", "what pattern is on the", "where is the",
    "is the",
    "what is the number of", "what does the sign",
  ]

  private static let singulars = Dictionary(
    uniqueKeysWithValues: ShapeKind.allCases.map { ($0.plural, $0.rawValue) } + [("objects", "object")])

  /// Words that end a question.
  private static let endingWords =
    ShapeKind.allCases.map(\.rawValue) + ["object"] + ShapeKind.allCases.map(\.plural) + ["objects", "say"]

  /// Words of questions and answers.
  private static let words: [String] = {
    let labels = PatchLabels.Group.allCases.filter { $0 != .glyph }.flatMap(PatchLabels.words)
    let relations = Relation.allCases.map { "\($0.rawValue) the" }
    return labels + singulars.keys.sorted() + ["yes", "no", "say"] + Scene.numbers + relations
  }()
}
