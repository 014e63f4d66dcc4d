import Torch

/// One image at a site: its tokens, and what a compressor can look at to choose among them.
public struct VisualTokens {
  /// Where the choice is made.
  public let site: Site
  /// The rows of all samples; what is asked of them is computed then, once for all images.
  public let rows: SiteRows
  /// The sample that the image belongs to, by its number among these.
  public let sample: Int
  /// The sample's rows that hold the image's tokens now.
  public let span: Range<Int>
  /// Where the tokens lie in the image, [count] int64 indices into `layout`; nil while all are there.
  public let patches: Tensor?
  /// The image's tokens before any was dropped.
  public let layout: TokenLayout
  /// Queries and keys of the tower's layers that the compressor needs, by the numbers under which it named them.
  public let tower: [Int: TowerTrace]
  /// The tower's class token, [1, width], where it is none of the visual tokens; at the tower's end alone.
  ///
  /// A merge may take it into its mixes, as the column before the tokens.
  public let classRow: Tensor?
  /// Of how many tokens each is made, [count] float32; nil where none is merged, or nobody weighs them.
  public let sizes: Tensor?
  /// The rows within `span` that are asked about, where these are not all: ends of rows are not.
  public private(set) var selection: [Int]?
  /// The sample's rows that hold images now, this one's included.
  let visual: [Range<Int>]
  /// Rows before the answer to the prompt that the image belongs to.
  let promptEnd: Int
  private let text: (() throws -> Tensor)?
  private let input: DecoderInput?
  private let labels: (() throws -> [Int])?

  /// An image at a site.
  ///
  /// - Parameters:
  ///   - visual: rows of all images of the sample; the image's own unless given.
  ///   - promptEnd: the first row after the image that belongs to an answer; nil for the number of rows.
  ///   - text: embeddings of the prompt's text tokens, [tokens, width], where they are at hand.
  ///   - input: what the sample was at the decoder's input, where that is at hand.
  ///   - labels: the labels of the sample's rows, -100 where nothing is supervised, in training.
  public init(
    site: Site, rows: SiteRows, sample: Int = 0, span: Range<Int>, visual: [Range<Int>]? = nil, promptEnd: Int? = nil,
    patches: Tensor? = nil, layout: TokenLayout, tower: [Int: TowerTrace] = [:], classRow: Tensor? = nil, sizes: Tensor? = nil,
    text: (() throws -> Tensor)? = nil, input: DecoderInput? = nil, labels: (() throws -> [Int])? = nil
  ) {
    self.site = site
    self.rows = rows
    self.sample = sample
    self.span = span
    self.visual = visual ?? [span]
    self.promptEnd = promptEnd ?? rows.count(of: sample)
    self.patches = patches
    self.layout = layout
    self.tower = tower
    self.classRow = classRow
    self.sizes = sizes
    self.text = text
    self.input = input
    self.labels = labels
  }

  /// Some of the tokens alone.
  ///
  /// - Parameters:
  ///   - selection: rows within `span`, ascending.
  ///   - patches: where these lie in the image.
  func selecting(_ selection: [Int], patches: Tensor) -> VisualTokens {
    var some = VisualTokens(
      site: site, rows: rows, sample: sample, span: span, visual: visual, promptEnd: promptEnd, patches: patches, layout: layout,
      tower: tower, classRow: classRow, sizes: sizes, text: text, input: input, labels: labels)
    some.selection = selection
    return some
  }

  /// Of values for all rows of the image, those that are asked about.
  private func selected(_ values: Tensor, _ dimension: Int = 0) throws -> Tensor {
    try selection.map { try values.rows(Tensor($0, on: values.device), dimension) } ?? values
  }

  /// Tokens of the image now.
  public var count: Int { selection?.count ?? span.count }
  /// Their rows among the rows of all samples.
  public var rowNumbers: [Int] { (selection ?? Array(0..<span.count)).map { firstRow + $0 } }
  /// Where they are.
  public var device: Device { rows.hidden.device }
  /// The first of the image's rows among the rows of all samples.
  public var firstRow: Int { rows.starts[sample] + span.lowerBound }

  /// The tokens as the layer before the site left them, [count, width].
  public func hidden() throws -> Tensor { try selected(rows.hidden.narrow(0, from: firstRow, length: span.count)) }

  /// L1 norms of the tokens' keys in the decoder layer before the cut, [count] float32.
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name keys.
  public func keyNorms() throws -> Tensor { try selected(rows.keyNorms().narrow(0, from: firstRow, length: span.count)) }

  /// What the prompt's last row pays to each token in the decoder layer before the cut, or in another one of the compressor's needs:
  /// [count] float32, softmax over all that it sees, mean over heads.
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name queries and keys.
  public func attention(_ semantics: CompressionSemantics = .corrected, layer: Int? = nil) throws -> Tensor {
    let row = semantics == .corrected ? promptEnd - 1 : rows.count(of: sample) - 1
    return try selected(rows.attention(of: row, in: sample, layer: layer).narrow(0, from: span.lowerBound, length: span.count))
  }

  /// What rows of the sample pay to each token in the decoder layer before the cut, or in another one of the compressor's needs, head by
  /// head: [heads, rows, count] float32, softmax over all that a row sees.
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name queries and keys.
  public func attention(of asking: [Int], layer: Int? = nil) throws -> Tensor {
    try selected(rows.attention(of: asking, to: span, in: sample, layer: layer), 2)
  }

  /// What the distance between rows of the sample and each token does to attention by itself, [rows, count] float32; see
  /// `SiteRows.distanceScores`.
  ///
  /// - Throws: `CompressionError.unavailable` before the decoder.
  public func distanceScores(of asking: [Int]) throws -> Tensor {
    try selected(rows.distanceScores(of: asking, to: span, in: sample), 1)
  }

  /// What a row of the sample would pay to each token in the decoder layer behind the site: [count] float32, softmax over all that it
  /// sees, mean over heads.
  ///
  /// - Throws: `CompressionError.unavailable` behind the last layer.
  public func nextAttention(of row: Int) throws -> Tensor {
    try selected(rows.nextAttention(of: row, in: sample).narrow(0, from: span.lowerBound, length: span.count))
  }

  /// The sample's rows that are about to be answered: the prompt's last one, or under `reference` semantics each one before an answer, in
  /// inference the last one of all.
  public func askingRows(_ semantics: CompressionSemantics) throws -> [Int] {
    if semantics == .corrected { return [promptEnd - 1] }
    let labels = try labels?() ?? []
    let found = labels.indices.dropFirst().filter { labels[$0] >= 0 && labels[$0 - 1] < 0 }.map { $0 - 1 }
    return found.isEmpty ? [rows.count(of: sample) - 1] : found
  }

  /// Queries and keys of a tower layer that the compressor's needs name.
  ///
  /// - Throws: `CompressionError.unavailable` where they are not at hand.
  public func trace(ofTowerLayer name: Int) throws -> TowerTrace {
    guard let trace = tower[name] else {
      let which =
        switch name {
        case ReducerNeeds.layerBehindTower: "layer behind the last one computed"
        case ReducerNeeds.layerBeforeSite: "layer before the site"
        default: "layer \(name)"
        }
      throw CompressionError.unavailable(
        "queries and keys of the tower's \(which)",
        hint: "name them in the compressor's needs, and put it behind that layer: @tower, @features or a decoder layer")
    }
    return try selection.map { try trace.keeping(Tensor($0, on: device)) } ?? trace
  }

  /// What the tower pays to each token in its last layer that is computed, [count] float32: softmax over all rows, mean over heads; its
  /// class token, or all tokens together where it has none.
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name tower layer -1.
  public func towerAttention() throws -> Tensor {
    let trace = try trace(ofTowerLayer: -1)
    return try trace.hasClassToken ? trace.classAttention() : trace.meanAttention()
  }

  /// The same to rank tokens by.
  func towerRanking() throws -> Tensor { try ranking(by: towerAttention()) }

  /// Scores [count] to rank tokens by: a class token among them comes first.
  func ranking(by scores: Tensor) throws -> Tensor {
    guard beginsWithClassToken else { return scores }
    let first = try Tensor.full([1], .infinity, on: scores.device)
    return try concatenate([first, scores.narrow(0, from: 1, length: scores.count - 1)])
  }

  /// True where the first token is the tower's class token, which always stays.
  public var beginsWithClassToken: Bool { tower.values.first.map { $0.hasClassToken && $0.firstToken == 0 } ?? false }

  /// Embeddings of the prompt's text tokens, [tokens, width of the decoder].
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name text.
  public func textEmbeddings() throws -> Tensor {
    if let text { return try text() }
    guard input != nil else { throw CompressionError.unavailable("text embeddings", hint: "name them in the compressor's needs") }
    return try inputText(of: textRows(0..<promptEnd))
  }

  /// The image's tokens as they came to the decoder, those included that were dropped in it: [tokens, width].
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor's needs do not name the input, and before the decoder.
  public func inputTokens() throws -> Tensor {
    guard let index = visual.firstIndex(of: span) else { return try hidden() }
    return try decoderInput().image(index)
  }

  /// Text rows of the sample as they came to the decoder, [rows, width].
  ///
  /// - Throws: as `inputTokens`.
  public func inputText(of asked: [Int]) throws -> Tensor {
    // Text is never dropped, so the so-manieth text row was that at the input too.
    let numbers = Dictionary(
      uniqueKeysWithValues: textRows(0..<rows.count(of: sample)).enumerated().map { ($1, $0) })
    return try decoderInput().text(asked.compactMap { numbers[$0] })
  }

  private func decoderInput() throws -> DecoderInput {
    guard let input else {
      throw CompressionError.unavailable("the decoder's input", hint: "name it in the compressor's needs, and cut in the decoder")
    }
    return input
  }

  /// The sample's text rows that follow the image, ascending.
  ///
  /// Under `corrected` semantics only those of the prompt; where the prompt has none after the image, all of its text rows.
  public func textRows(_ semantics: CompressionSemantics = .corrected) -> [Int] {
    let after = textRowsBehind(semantics)
    return after.isEmpty && semantics == .corrected ? textRows(0..<promptEnd) : after
  }

  /// The sample's text rows behind the image, under `corrected` semantics only those of the prompt; where there are none the row that is
  /// asked last.
  func ratingRows(_ semantics: CompressionSemantics) -> [Int] {
    let behind = textRowsBehind(semantics)
    return behind.isEmpty ? [(semantics == .corrected ? promptEnd : rows.count(of: sample)) - 1] : behind
  }

  private func textRowsBehind(_ semantics: CompressionSemantics) -> [Int] {
    let end = semantics == .corrected ? promptEnd : rows.count(of: sample)
    return textRows(span.upperBound..<max(span.upperBound, end))
  }

  private func textRows(_ range: Range<Int>) -> [Int] { range.filter { row in !visual.contains { $0.contains(row) } } }
}
