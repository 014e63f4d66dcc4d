import Compression
import Language
import Torch

/// One prompt and its answer, on their way through a `Scheduler`.
struct ScheduledSequence {
  let id: Int
  let request: GenerationRequest
  let options: GenerationOptions
  /// Prompts of a smaller rank are read first.
  var rank = 0
  var result = GenerationResult()
  /// Most tokens that the answer may have.
  var limit = 0
  /// What it continues and is added to; made when it is admitted.
  var cache: KeyValueCache?
  var sampler: Sampler?
  /// The whole prompt at the decoder's input while some of it is not read yet, one sample.
  var prompt: PackedBatch?
  /// Rows of the prompt that have been read.
  var readRows = 0
  /// Stages of its plan that are still to come, and rows that wait for them.
  var stages: [Branch.Stage] = []
  var waiting: WaitingRows?
  var generator: Generator?
  /// The last row of the prompt, [1, hiddenSize], for whose scores nobody has asked yet.
  var lastRow: Tensor?
  /// The last token, which has not passed through the decoder yet.
  var nextToken: Int?
  /// True once nothing more will come of it.
  var isFinished = false
  /// What was computed before, and what is to be kept.
  var shared = SharedWork()
  /// The beginning that was to be kept, once it has been read.
  var kept: PromptPrefix?

  init(_ id: Int, _ request: GenerationRequest, _ options: GenerationOptions, _ cache: KeyValueCache?) {
    (self.id, self.request, self.options, self.cache) = (id, request, options, cache)
  }

  /// Takes the prompt at the decoder's input, and memory for it and the answer.
  ///
  /// - Throws: `PromptError.tooLong`; `CompressionError` for a plan that does not fit.
  mutating func admit(_ batch: PackedBatch, _ model: LLaVAModel) throws {
    let text = model.configuration.text
    if batch.positions.next[0] >= text.maximumPositions {
      throw PromptError.tooLong(tokens: batch.positions.next[0], maximum: text.maximumPositions)
    }
    limit = min(options.maximumNewTokens, text.maximumPositions - batch.positions.next[0])
    let images = batch.images[0]
    let resolved = try model.resolve(options.compression, [images.map(\.layout)]).filter { $0.layer != nil }
    generator = try generator ?? (resolved.isEmpty ? nil : Generator(seed: options.seed))
    stages = Branch(sample: 0, resolved).stages
    let before = images.map(\.span.count)
    let rows = (0..<text.layers).map { layer in
      let stage = resolved.last { ($0.layer ?? 0) <= layer }
      let left = stage.map { zip(images, $0.counts[0]).map { $0.layout.most(keeping: $1) } } ?? before
      return batch.lengths[0] - before.reduce(0, +) + zip(before, left).reduce(0) { $0 + min($1.0, $1.1) }
    }
    let prefix = shared.prefix.take()
    if cache == nil { cache = try prefix?.cache ?? model.newCache() }
    try cache?.reserve(rows.enumerated().map { layer, rows in max(0, rows - (prefix?.cache.count(layer: layer) ?? 0)) + limit })
    result.promptTokens = batch.lengths[0]
    result.promptEnd = batch.positions.next[0]
    result.imageTokens = images.map(\.layout.count)
    result.keptVisualTokens = before.reduce(0, +)
    if images.contains(where: { $0.kept != nil }), options.compression?.hasGaps ?? false {
      result.cuts = [.init(layer: 0, keptIndices: try images.map { try $0.indices() })]
    }
    sampler = try Sampler(options, prompt: request.ids, on: model.device)
    prompt = batch
    if let prefix {
      (readRows, stages, waiting) = (prefix.rows, prefix.stages, prefix.waiting)
      result.cuts += prefix.cuts
      if !prefix.cuts.isEmpty { result.keptVisualTokens = prefix.keptVisualTokens }
      // Where the first prompt ends is this sequence's own.
      for (index, image) in images.enumerated() where waiting?.batch.images[0].indices.contains(index) ?? false {
        waiting?.batch.images[0][index].promptEnd = image.promptEnd
      }
    }
  }

  /// The next rows of the prompt to be read, and what becomes of them; nil where all are read.
  ///
  /// - Parameter most: rows that may be read.
  func nextChunk(_ most: Int) throws -> (rows: PackedBatch, branch: Branch)? {
    guard let prompt else { return nil }
    let total = prompt.lengths[0]
    var end = readRows + min(total - readRows, max(1, most))
    if let stop = shared.keptRows, readRows < stop { end = min(end, stop) }
    var chunk = readRows == 0 && end == total ? prompt : try prompt.rows(readRows..<end, of: 0)
    let images = prompt.images[0]
    // A stage looks at images from the first row that waits on, and only when all of them are there.
    let areRead = readRows > 0 && waiting == nil
    chunk.images = [areRead || images.contains { $0.span.upperBound > end } ? [] : images]
    var branch = Branch(sample: 0, generator: generator)
    branch.stages = stages
    branch.waiting = waiting
    branch.isWhole = end == total
    return (chunk, branch)
  }

  /// Notes what came of a chunk of `rows` rows of the prompt.
  mutating func note(_ end: BranchEnd, rows: Int, last: Tensor?) throws {
    readRows += rows
    (cache, stages, waiting) = (end.cache, end.stages, end.waiting)
    for cut in end.cuts {
      let images = prompt?.images[0] ?? []
      let kept = try zip(images, cut.kept).map { try $1?.array(Int.self) ?? $0.indices() }
      result.cuts.append(.init(layer: cut.layer, keptIndices: kept))
      result.keptVisualTokens = kept.reduce(0) { $0 + $1.count }
    }
    if readRows == shared.keptRows, let cache = try cache?.compacted() {
      kept = PromptPrefix(
        rows: readRows, cache: cache, stages: stages, waiting: waiting, cuts: result.cuts.filter { $0.layer > 0 },
        keptVisualTokens: result.keptVisualTokens)
    }
    if readRows == prompt?.lengths[0] {
      prompt = nil
      lastRow = last
      result.kvCacheBytes = cache?.usedByteCount ?? 0
    }
  }
}

extension ImageRows {
  /// The tokens that are left, as indices into the layout.
  func indices() throws -> [Int] { try kept?.array(Int.self) ?? Array(0..<span.count) }
}

extension CompressionPlan {
  /// True where tokens that are dropped before the decoder leave gaps.
  var hasGaps: Bool { stages.contains { $0.site.decoderLayer == nil && $0.reducer.keepsPositions } }
}
