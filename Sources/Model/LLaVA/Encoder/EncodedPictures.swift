import Compression
import Torch

/// Pictures on their way to the decoder that have lost equally many tokens.
struct EncodedPictures {
  /// [images, rows, width].
  var rows: Tensor
  let layout: TokenLayout
  let context: EncoderContext
  /// True while a row that is no visual token stands first, a class token.
  var hasExtraToken: Bool
  /// [images, 1, width]: class tokens that were taken away at the tower's end, for compressors there.
  var classRows: Tensor?
  /// True where the tower has a class token.
  private let hasClassToken: Bool
  private var kept: [Tensor?]
  private var places: [Tensor?]
  private var positions: Int
  private var traces: [[Int: TowerTrace]]
  /// Of how many tokens each is made, [tokens] float32 for each image; nil where nobody weighs them.
  private var sizes: [Tensor]?

  init(rows: Tensor, layout: TokenLayout, context: EncoderContext, hasExtraToken: Bool = false, hasClassToken: Bool = false) {
    (self.rows, self.layout, self.context, self.hasExtraToken) = (rows, layout, context, hasExtraToken)
    self.hasClassToken = hasClassToken
    kept = (0..<rows.size(0)).map { _ in nil }
    places = kept
    positions = layout.count
    traces = kept.map { _ in [:] }
  }

  /// Writes down what a layer attended with, [images, heads, rows, headDimension].
  mutating func add(_ trace: (queries: Tensor, keys: Tensor), _ name: Int) throws {
    for image in traces.indices {
      traces[image][name] = TowerTrace(
        queries: try trace.queries.selected(0, image).detached(), keys: try trace.keys.selected(0, image).detached(),
        hasClassToken: hasClassToken, firstToken: hasExtraToken ? 1 : 0)
    }
  }

  /// Writes down what was worked out of a layer, for each image.
  mutating func add(_ found: [TowerTrace], _ name: Int) {
    for (image, trace) in found.enumerated() { traces[image][name] = trace }
  }

  /// Logarithms of the rows' sizes, [images, 1, 1, rows], where a compressor wants them to be attended to by size.
  func sizeBias() throws -> Tensor? {
    guard let sizes else { return nil }
    let logs = try stack(sizes).log()
    let first = try Tensor.zeros([logs.size(0), hasExtraToken ? 1 : 0], on: logs.device)
    return try concatenate([first, logs], 1).unsqueezed(1).unsqueezed(1)
  }

  /// Sizes behind a stage: those that stay keep theirs, those that are merged add up.
  private mutating func noteSizes(_ found: [Reduction?], _ stage: CompressionPlan.Stage, tokens: Int) throws {
    if sizes == nil, !stage.reducer.weighsBySize { return }
    let ones = try Tensor.ones([tokens], on: rows.device)
    sizes = try found.enumerated().map { image, reduction in
      let own = sizes?[image] ?? ones
      switch reduction {
      case .keep(let kept): return try own.rows(kept)
      case .merge(_, let weights):
        // A class token that is mixed in counts as none.
        let mixed = try weights.narrow(1, from: weights.size(1) - tokens, length: tokens)
        let used = try Tensor.zeros([1, 1], on: rows.device).isLess(than: mixed).to(.float32)
        return try used.matmul(own.unsqueezed(1)).squeezed(1).clamped(1)
      default: return own
      }
    }
  }

  /// Asks a compressor, and leaves what it leaves.
  mutating func reduce(_ stage: EncoderStage) throws {
    let first = hasExtraToken ? 1 : 0
    let tokens = rows.size(1) - first
    let images = rows.size(0)
    let own = try rows.narrow(1, from: first, length: tokens)
    let site = SiteRows(
      hidden: try own.reshaped([images * tokens, own.size(2)]).detached(), lengths: Array(repeating: tokens, count: images))
    let choices = try (0..<images).map { image in
      let text = context.text.isEmpty ? nil : context.text[image]
      return TokenChoice(
        stage.counts[image],
        of: VisualTokens(
          site: stage.stage.site, rows: site, sample: image, span: 0..<tokens, patches: kept[image], layout: layout,
          tower: traces[image], classRow: try classRows?.selected(0, image).detached(), sizes: sizes?[image],
          text: text.map { text in { text } }),
        generator: context.generators.isEmpty ? try Generator(seed: 0) : context.generators[image])
    }
    var checks: [ChoiceCheck] = []
    let found = try stage.stage.reducer.checked(choices, &checks)
    // Before the decoder a question to the device costs little.
    for check in checks { try check.validate() }
    guard found.contains(where: { $0 != nil }) else { return }
    try noteSizes(found, stage.stage, tokens: tokens)
    let left = try found.enumerated().map { image, reduction in
      let mine = try own.selected(0, image)
      return try reduction?.applied(to: mine, classRow: classRows?.selected(0, image)) ?? mine
    }
    var next = try stack(left)
    if hasExtraToken { next = try concatenate([rows.narrow(1, from: 0, length: 1), next], 1) }
    rows = next
    for (image, reduction) in found.enumerated() {
      guard let chosen = reduction?.kept else { continue }
      kept[image] = try kept[image]?.rows(chosen) ?? chosen
      places[image] = stage.stage.reducer.keepsPositions ? try places[image]?.rows(chosen) ?? chosen : nil
    }
    if !stage.stage.reducer.keepsPositions { positions = rows.size(1) - first }
    traces = try traces.enumerated().map { image, traces in
      try traces.mapValues { try found[image]?.kept.map($0.keeping) ?? $0 }
    }
  }

  func segments() throws -> [VisualSegment] {
    let split = try rows.reshaped([-1, rows.size(2)]).split(kept.map { _ in rows.size(1) })
    return split.enumerated().map { image, rows in
      var segment = VisualSegment(rows: rows, layout: layout)
      segment.kept = kept[image]
      segment.places = places[image]
      segment.positions = positions
      segment.tower = traces[image]
      return segment
    }
  }
}
