import Compression
import Language
import Torch

/// The state of one call of `generate`: caches, samplers, and who is still being answered.
struct GenerationRun {
  private(set) var results: [GenerationResult]
  private(set) var timings = GenerationTimings()

  private let model: LLaVAModel
  private let options: GenerationOptions
  private let batch: PackedBatch
  private let prefill: CompressedPrefill
  private let caches: [KeyValueCache]
  private let limits: [Int]
  private var samplers: [Sampler]
  /// Runs from the end of the vision stage, so that splicing and taking memory for the caches count as prefill.
  private var clock: Stopwatch

  /// Encodes images, checks the prompts against the context, and takes memory for the caches.
  init(_ model: LLaVAModel, _ requests: [GenerationRequest], _ options: GenerationOptions, _ caches: [KeyValueCache]?) throws {
    self.model = model
    self.options = options
    if let caches, caches.count != requests.count {
      throw GenerationError.cacheCount(caches: caches.count, samples: requests.count)
    }
    let visionClock = Stopwatch(model.device)
    let features = try model.visualTokens(of: requests, options.compression)
    timings.vision = try visionClock.seconds()
    clock = Stopwatch(model.device)
    let text = model.configuration.text
    var batch = try model.splice(requests.map(\.ids), features: features, promptLengths: requests.map(\.promptLength))
    let past = caches?.map(\.nextPosition) ?? requests.map { _ in 0 }
    for (length, past) in zip(batch.lengths, past) where length + past >= text.maximumPositions {
      throw PromptError.tooLong(tokens: length + past, maximum: text.maximumPositions)
    }
    let limits = zip(batch.lengths, past).map { min(options.maximumNewTokens, text.maximumPositions - $0 - $1) }
    prefill = try CompressedPrefill(model, batch, options)
    let used = try caches ?? limits.map { _ in try KeyValueCache(text, capacity: 0, model.dtype, on: model.device) }
    for (cache, (rows, limit)) in zip(used, zip(prefill.rowsOfLayers, limits)) { try cache.reserve(rows.map { $0 + limit }) }
    self.limits = limits
    self.caches = used
    if past.contains(where: { $0 > 0 }) {
      let shifts = zip(past, batch.lengths).flatMap { Array(repeating: $0, count: $1) }
      batch.positions = try batch.positions + Tensor(shifts, on: model.device)
    }
    self.batch = batch
    results = zip(requests, batch.lengths).map { request, length in
      var result = GenerationResult()
      result.promptTokens = length
      result.visualTokens = (request.pixels?.size(0) ?? 0) * model.configuration.vision.tokens
      return result
    }
    samplers = try requests.enumerated().map { try Sampler(options, sample: $0, prompt: $1.ids, on: model.device) }
  }

  mutating func generate(_ receive: (Int, Int) throws -> GenerationStep) throws {
    let layers = 0..<model.configuration.text.layers
    let (last, cuts) = try prefill.run(batch, caches)
    var rows = last
    for (cache, length) in zip(caches, batch.lengths) { cache.advance(by: length) }
    for sample in results.indices { results[sample].kvCacheBytes = caches[sample].usedByteCount }
    var active = Array(results.indices)
    var step = 0
    while true {
      let tokens = try choose(model.decoder.logits(rows), active, step)
      if step == 0 {
        timings.prefill = try clock.seconds()
        try report(cuts)
        clock = Stopwatch(model.device)
      }
      active = try deliver(tokens, active, receive)
      if active.isEmpty { break }
      step += 1
      let next = active.map { results[$0].tokens.last ?? 0 }
      let used = active.map { caches[$0] }
      let batch = PackedBatch(
        hidden: try model.decoder.embedding.embedding(Tensor(next, on: model.device)),
        positions: try Tensor(used.map(\.nextPosition), on: model.device), lengths: next.map { _ in 1 },
        visual: next.map { _ in [] })
      rows = try model.decoder.run(layers: layers, batch, caches: used).hidden
      for cache in used { cache.advance(by: 1) }
    }
    timings.decode = try clock.seconds()
  }

  /// Writes down what was left of the images.
  private mutating func report(_ cuts: [KeptVisualTokens]) throws {
    for sample in results.indices {
      let spans = batch.visual[sample]
      results[sample].cuts = try cuts.map { cut in
        GenerationResult.Cut(
          layer: cut.layer,
          keptIndices: try zip(spans, cut.patches[sample]).map { try $1?.array(Int.self) ?? Array(0..<$0.count) })
      }
      results[sample].keptVisualTokens =
        results[sample].cuts.last?.keptIndices.reduce(0) { $0 + $1.count } ?? spans.reduce(0) { $0 + $1.count }
    }
  }

  /// The next token of every active sample from scores [active, vocabulary].
  private mutating func choose(_ logits: Tensor, _ active: [Int], _ step: Int) throws -> [Int] {
    if samplers.allSatisfy(\.isPlainArgmax) {
      guard try logits.to(.float32).sum().item().isFinite else { throw GenerationError.notFinite(step: step) }
      return try logits.argmax(-1).array(Int.self)
    }
    return try active.enumerated().map { row, sample in
      guard let token = try samplers[sample].next(logits.selected(0, row)) else { throw GenerationError.notFinite(step: step) }
      return token
    }
  }

  /// Hands tokens out and returns the samples that go on.
  private mutating func deliver(
    _ tokens: [Int], _ active: [Int], _ receive: (Int, Int) throws -> GenerationStep
  ) throws -> [Int] {
    var next: [Int] = []
    for (sample, token) in zip(active, tokens) {
      if options.stopsAtEnd, model.configuration.eosTokenIDs.contains(token) {
        results[sample].finish = .stop
        continue
      }
      results[sample].tokens.append(token)
      switch try receive(sample, token) {
      case .stop: results[sample].finish = .stop
      case .cancel: results[sample].finish = .cancelled
      case .proceed: if results[sample].tokens.count < limits[sample] { next.append(sample) }
      }
    }
    return next
  }
}
