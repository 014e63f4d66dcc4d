/// Makes fewer tokens of an image, at one or more sites on its way into the decoder.
///
/// A compressor is one value of this protocol, at home in one file. Training, evaluation and serving call the same one. It is asked
/// only where some tokens are to go and some to stay: `0 < choice.count < choice.tokens.count`. Choices are made without recording
/// gradients; they go through the rows that stay or are merged.
public protocol TokenReducer: Sendable {
  /// Where it can work; the first is where it works unless a plan says otherwise.
  ///
  /// The decoder alone where it needs queries or keys of the decoder, else decoder, features and tower.
  var sites: [Site.Kind] { get }

  /// What it looks at beside the tokens themselves; what is not named here is not computed. Nothing unless a compressor says otherwise.
  var needs: ReducerNeeds { get }

  /// False where the choice follows from picture, count and generator alone, whatever is asked about the picture.
  ///
  /// Who asks many questions about a picture then chooses once. True unless a compressor says otherwise; one that says false must look
  /// at nothing behind the image.
  var readsPrompt: Bool { get }

  /// Before the decoder: true where tokens that are left keep the positions that they had, so that there are gaps, false where they are
  /// numbered anew, as if the picture had been smaller. In the decoder positions are always kept. True unless a compressor says otherwise.
  var keepsPositions: Bool { get }

  /// True where what is left stands in the old order, false where a compressor brings it into another; then positions are numbered anew,
  /// but for the decoder, where tokens take theirs along.
  ///
  /// True unless a compressor says otherwise.
  var keepsOrder: Bool { get }

  /// True where in the tower's layers behind it a merged token is to be attended to as if it were as many as it is made of; false unless a
  /// compressor says otherwise.
  var weighsBySize: Bool { get }

  /// True where `choice.generator` has a say, so that the same picture may lose other tokens under another seed; false unless a compressor
  /// says otherwise, and one that draws must.
  var drawsAtRandom: Bool { get }

  /// True where `budget(_:later:)` has a say; false unless a compressor says otherwise.
  var decidesBudgets: Bool { get }

  /// How many of `total` tokens are left when the share `ratio` of them goes.
  ///
  /// The default is int((1 - ratio) · total) in double arithmetic, as the authors of EPIC and FastV count.
  func count(ratio: Double, of total: Int) -> Int

  /// How many tokens of an image its stages in the decoder are to leave, this one and those behind it, where picture and question have a
  /// say in that: by the layers before them. Asked before `reduce`, where `decidesBudgets`; what is not named here is as the plan says.
  ///
  /// - Parameters:
  ///   - choice: the image, and how many tokens the plan leaves here.
  ///   - later: the compressor's stages behind this one, ascending.
  /// - Throws: what the compressor cannot work with.
  func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int]

  /// What is left of one image.
  ///
  /// - Throws: what the compressor cannot work with.
  func reduce(_ choice: TokenChoice) throws -> Reduction

  /// The same for many images, in the order of the choices; one after the other unless a compressor can do better.
  func reduce(_ choices: [TokenChoice]) throws -> [Reduction]
}

extension TokenReducer {
  /// The decoder; features and tower too where nothing of the decoder is needed.
  public var sites: [Site.Kind] {
    needs.queries || needs.keys || !needs.decoderLayers.isEmpty ? [.decoder] : [.decoder, .features, .tower]
  }

  /// Nothing.
  public var needs: ReducerNeeds { ReducerNeeds() }

  /// True.
  public var readsPrompt: Bool { true }

  /// True.
  public var keepsPositions: Bool { true }

  /// True.
  public var keepsOrder: Bool { true }

  /// False.
  public var weighsBySize: Bool { false }

  /// False.
  public var drawsAtRandom: Bool { false }

  /// False.
  public var decidesBudgets: Bool { false }

  /// As the plan says.
  public func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] { [:] }

  /// int((1 - ratio) · total).
  public func count(ratio: Double, of total: Int) -> Int { max(0, Int((1 - ratio) * Double(total))) }

  /// One after the other.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] { try choices.map { try reduce($0) } }
}

/// What a plan leaves of an image behind one of its stages in the decoder.
public struct PlannedCount: Sendable, Hashable {
  /// Decoder layers before the stage.
  public let layer: Int
  /// Tokens behind it.
  public let count: Int

  /// A number at a place.
  public init(layer: Int, count: Int) { (self.layer, self.count) = (layer, count) }
}

/// What a compressor looks at beside the rows of the image and of the text.
public struct ReducerNeeds: Sendable, Hashable {
  /// Queries of the decoder layer before the cut: `VisualTokens.attention`.
  public var queries: Bool
  /// Keys of that layer: `VisualTokens.keyNorms`, `VisualTokens.attention`.
  public var keys: Bool
  /// Further decoder layers whose queries and keys are looked at, by index; all before the cut.
  public var decoderLayers: Set<Int>
  /// Layers of the tower whose queries and keys are looked at (`VisualTokens.tower`): by index, or from the end, -1 for the last one
  /// that is computed; `layerBehindTower` for the one after it, `layerBeforeSite` for the one before a site in the tower.
  public var towerLayers: Set<Int>
  /// Embeddings of the prompt's text tokens: `VisualTokens.textEmbeddings`.
  public var text: Bool
  /// What text and image were at the decoder's input, for sites in the decoder: `VisualTokens.inputTokens`, `VisualTokens.inputText`.
  public var input: Bool

  /// What is named is needed.
  public init(
    queries: Bool = false, keys: Bool = false, decoderLayers: Set<Int> = [], towerLayers: Set<Int> = [], text: Bool = false,
    input: Bool = false
  ) {
    self.queries = queries
    self.keys = keys
    self.decoderLayers = decoderLayers
    self.towerLayers = towerLayers
    self.text = text
    self.input = input
  }

  /// The tower's layer that would be the next and whose output nobody uses: its queries and keys alone are computed.
  public static let layerBehindTower = Int.max

  /// The tower's layer right before the site, or the last one that is computed.
  public static let layerBeforeSite = Int.min

  /// What either of two needs.
  public func union(_ other: ReducerNeeds) -> ReducerNeeds {
    ReducerNeeds(
      queries: queries || other.queries, keys: keys || other.keys, decoderLayers: decoderLayers.union(other.decoderLayers),
      towerLayers: towerLayers.union(other.towerLayers), text: text || other.text, input: input || other.input)
  }
}

/// Whether a compressor does what its authors' released code does, mistakes included.
public enum CompressionSemantics: String, Sendable, CaseIterable {
  /// What the code is meant to do; each compressor says where that differs.
  ///
  /// Original positions and order, and of the text the prompt alone, rows up to the last one before the answer, so that training and
  /// inference choose alike.
  case corrected
  /// What the released code does, for comparison with published figures; in training, text includes the answer.
  case reference
}
