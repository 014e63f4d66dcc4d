import Compression
import LLaVA
import Language
import Torch

/// Answers questions under many plans at once, greedily, and computes what they have in common once.
///
/// 1. The text before the picture, the same for all questions: once for all pictures.
/// 2. The picture, which comes before the question and so does not depend on it: tower, projector, and its keys and values in all layers
///    where it is whole; behind a cut only where the choice of tokens does not depend on the question (`readsPrompt` is false). Once for
///    all questions about it.
/// 3. The question in the layers before a cut: once for all plans that cut there or further up.
/// 4. What is left of the picture, and the question, behind the cut: for each plan.
///
/// Questions and plans are one packed batch in each layer, and one batch of rows when answers are written. Answers are those of
/// `LLaVAModel.generate` with the same plan, up to the order of floating-point sums.
///
/// For use by one thread at a time.
public final class SharedAnswerer {
  /// The model and how it is talked to.
  public let pipeline: LLaVAPipeline
  /// The ways to answer; answers come in their order.
  public let plans: [AnswerPlan]
  /// How many questions are answered together.
  public let lanes: Int

  private let cuts: [Int]
  private let full: Int?
  private var rooms: [Lane] = []
  /// Ids before the picture, and their keys and values.
  private var text: (ids: [Int], cache: KeyValueCache)?

  private var model: LLaVAModel { pipeline.model }
  private var layers: Int { model.configuration.text.layers }

  /// Prepares to answer under some plans.
  ///
  /// - Parameter lanes: questions that are answered together, each of which takes memory for the caches of all plans; nil chooses as many
  ///   as make some 32 streams.
  public init(_ pipeline: LLaVAPipeline, plans: [AnswerPlan], lanes: Int? = nil) {
    self.pipeline = pipeline
    self.plans = plans
    self.lanes = max(1, lanes ?? 32 / max(1, plans.count))
    cuts = Set(plans.compactMap(\.layer)).sorted()
    full = plans.firstIndex { $0.compression == nil }
  }

  /// Answers up to ``lanes`` questions.
  ///
  /// - Returns: for each question its answers in the order of the plans; a question without a picture has the same under all of them.
  /// - Throws: `PromptError`, `GenerationError.notFinite`, `CompressionError`, `TorchError`; one bad question fails all.
  public func answer(_ requests: [AnswerRequest]) throws -> [[PlanAnswer]] {
    for request in requests { try check(request) }
    // All lanes hold one text before the picture.
    var parts: [[AnswerRequest]] = []
    var last: ArraySlice<Int>?
    for request in requests {
      let before = request.ids.firstIndex(of: imagePlaceholderID).map { request.ids[..<$0] }
      if parts.isEmpty || before != nil && last != nil && before != last { parts.append([]) }
      parts[parts.count - 1].append(request)
      last = before ?? last
    }
    return try inference {
      do {
        return try parts.flatMap(answerTogether)
      } catch {
        // Caches may hold half of something.
        rooms = []
        text = nil
        throw error
      }
    }
  }

  private func check(_ request: AnswerRequest) throws {
    let images = request.ids.count { $0 == imagePlaceholderID }
    guard images == (request.picture == nil ? 0 : 1) else {
      throw PromptError.imageCount(placeholders: images, images: request.picture == nil ? 0 : 1)
    }
    guard let last = request.ids.last, last != imagePlaceholderID else { throw PromptError.empty }
    let vocabulary = model.configuration.text.vocabularySize
    if let bad = request.ids.first(where: { $0 != imagePlaceholderID && !(0..<vocabulary).contains($0) }) {
      throw PromptError.tokenOutOfRange(id: bad, vocabularySize: vocabulary)
    }
    let tokens = request.ids.count - images + images * model.configuration.vision.tokens
    let maximum = model.configuration.text.maximumPositions
    if tokens >= maximum { throw PromptError.tooLong(tokens: tokens, maximum: maximum) }
  }

  private func answerTogether(_ requests: [AnswerRequest]) throws -> [[PlanAnswer]] {
    let seats = try seat(requests)
    var answers = requests.map { request in
      plans.map { _ in
        var answer = PlanAnswer()
        answer.textTokens = request.ids.count - (request.picture == nil ? 0 : 1)
        return answer
      }
    }
    var starts: [Stream] = []
    for (index, (request, lane)) in zip(requests, seats).enumerated() {
      starts += try lane.map { try questionStreams(request, index, $0) } ?? [textStream(request, index)]
    }
    let streams = try model.decoder.run(starts, cuts: cuts, keepsTrunks: full != nil) { layer, trunk, state in
      guard let lane = seats[trunk.request] else { return [] }
      return try branches(at: layer, trunk, state, lane) { plan, kept in answers[trunk.request][plan].keptIndices = kept }
    }
    for stream in streams { stream.cache.advance(by: stream.span) }
    var writer = try AnswerWriter(pipeline, streams, limits: streams.map { limit(requests[$0.request], after: $0.cache) })
    for (stream, answer) in zip(streams, try writer.write()) {
      for plan in stream.plans {
        answers[stream.request][plan].tokens = answer.tokens
        answers[stream.request][plan].text = answer.text
        answers[stream.request][plan].finish = answer.finish
      }
    }
    for lane in seats { lane?.rewindToPicture() }
    return answers
  }

  private func limit(_ request: AnswerRequest, after cache: KeyValueCache) -> Int {
    min(request.maximumNewTokens, model.configuration.text.maximumPositions - cache.nextPosition)
  }
}

// MARK: - Pictures

extension SharedAnswerer {
  /// A lane for each request that holds its picture; nil for text alone.
  private func seat(_ requests: [AnswerRequest]) throws -> [Lane?] {
    for request in requests {
      guard let end = request.ids.firstIndex(of: imagePlaceholderID) else { continue }
      try readText(Array(request.ids[..<end]))
    }
    while rooms.count < requests.count, let text {
      let lane = try Lane(model, plans)
      try lane.takeText(from: text.cache, layers: layers)
      rooms.append(lane)
    }
    var seats: [Lane?] = requests.map { _ in nil }
    var free = rooms
    for (index, request) in requests.enumerated() {
      guard let key = request.picture?.key, let place = free.firstIndex(where: { $0.picture?.key == key }) else { continue }
      seats[index] = free.remove(at: place)
    }
    for (index, request) in requests.enumerated() where seats[index] == nil {
      guard let picture = request.picture else { continue }
      let lane = free.removeFirst()
      if let other = seats.compactMap(\.self).first(where: { $0.picture?.key == picture.key }) {
        try lane.takePicture(from: other)
      } else {
        try read(picture, into: lane)
      }
      seats[index] = lane
    }
    return seats
  }

  /// Keys and values of the text before the picture, computed anew where it is another one.
  private func readText(_ ids: [Int]) throws {
    if text?.ids == ids { return }
    let cache = try KeyValueCache(model.configuration.text, capacity: ids.count, model.dtype, on: model.device)
    if !ids.isEmpty {
      let batch = PackedBatch(
        hidden: try embedded(ids), positions: try Tensor.arange(0, ids.count, on: model.device), lengths: [ids.count],
        visual: [[]])
      _ = try model.decoder.run(layers: 0..<layers, batch, caches: [cache], only: batch.lastRows)
      cache.advance(by: ids.count)
    }
    text = (ids, cache)
    for lane in rooms { try lane.takeText(from: cache, layers: layers) }
  }

  /// Puts a picture into a lane's caches.
  private func read(_ picture: PreparedPicture, into lane: Lane) throws {
    lane.rewindToText()
    let vision = model.configuration.vision
    let raw = try model.tower(picture.pixels.to(model.device))
    let features = try model.projector(raw).selected(0, 0)
    var read = ReadPicture(key: picture.key, seed: picture.seed, tokens: vision.tokens)
    var streams = [try pictureStream(features, lane.trunk, isTrunk: true)]
    for (index, plan) in plans.enumerated() where plan.layer == nil && plan.compression != nil && plan.keep > 0 {
      // Pooling shares the tower's work, shrinking needs the tower again.
      let pooled = try plan.compression?.pooled(raw, vision.grid).map { try model.projector($0) }
      let fewer = try pooled ?? model.visualTokens(picture.pixels, plan.compression)
      streams.append(try pictureStream(fewer.selected(0, 0), lane.caches[index], isTrunk: false))
    }
    _ = try model.decoder.run(streams, cuts: cuts, keepsTrunks: full != nil) { layer, trunk, state in
      var branches: [Stream] = []
      let sample = DecoderRows(hidden: state.hidden, queries: state.queries, keys: state.keys) { try self.model.decoder.norm($0) }
      for (index, plan) in plans.enumerated() where plan.layer == layer {
        guard let compressor = plan.compressor else { continue }
        try copy(trunk, to: lane.caches[index], layers: layer)
        if compressor.readsPrompt {
          read.rows[layer] = state
          continue
        }
        let tokens = VisualTokens(
          sample: sample, span: 0..<vision.tokens, visual: [0..<vision.tokens], promptEnd: vision.tokens, grid: vision.grid)
        let chosen =
          try model.choose(plan.keep, of: tokens, compressor, Generator(seed: picture.seed))
          ?? Tensor.arange(0, vision.tokens, on: model.device)
        read.kept[index] = chosen
        if plan.keep == 0 { continue }
        branches.append(
          Stream(
            request: 0, plans: [], isTrunk: false, cache: lane.caches[index], hidden: try state.hidden.rows(chosen),
            positions: try trunk.positions.rows(chosen), span: trunk.span))
      }
      return branches
    }
    lane.trunk.advance(by: vision.tokens)
    for (index, plan) in plans.enumerated() where lane.caches[index] !== lane.trunk {
      lane.caches[index].advance(by: plan.layer == nil ? plan.keep : vision.tokens)
    }
    lane.hold(read)
  }

  private func pictureStream(_ features: Tensor, _ cache: KeyValueCache, isTrunk: Bool) throws -> Stream {
    let (start, rows) = (cache.nextPosition, features.size(0))
    return Stream(
      request: 0, plans: [], isTrunk: isTrunk, cache: cache, hidden: features,
      positions: try Tensor.arange(start, start + rows, on: model.device), span: rows)
  }

  /// Copies what a trunk's rows have added to the layers before a cut.
  private func copy(_ trunk: Stream, to cache: KeyValueCache, layers: Int) throws {
    let end = trunk.cache.count(layer: 0)
    try cache.copyTokens(end - trunk.hidden.size(0)..<end, layers: 0..<layers, from: trunk.cache)
  }

  private func embedded(_ ids: [Int]) throws -> Tensor {
    try model.decoder.embedding.embedding(Tensor(ids, on: model.device))
  }
}

// MARK: - Questions

extension SharedAnswerer {
  /// A question without a picture, which all plans answer alike.
  private func textStream(_ request: AnswerRequest, _ index: Int) throws -> Stream {
    let count = request.ids.count
    let cache = try KeyValueCache(model.configuration.text, capacity: count + 32, model.dtype, on: model.device)
    return Stream(
      request: index, plans: Array(plans.indices), isTrunk: false, cache: cache, hidden: try embedded(request.ids),
      positions: try Tensor.arange(0, count, on: model.device), span: count)
  }

  /// What follows the picture, as often as it is read from the first layer on: for the trunk, and for plans with fewer features.
  private func questionStreams(_ request: AnswerRequest, _ index: Int, _ lane: Lane) throws -> [Stream] {
    let start = (request.ids.firstIndex(of: imagePlaceholderID) ?? -1) + 1
    let hidden = try embedded(Array(request.ids[start...]))
    func stream(_ plans: [Int], isTrunk: Bool, _ cache: KeyValueCache) throws -> Stream {
      let (position, rows) = (cache.nextPosition, hidden.size(0))
      return Stream(
        request: index, plans: plans, isTrunk: isTrunk, cache: cache, hidden: hidden,
        positions: try Tensor.arange(position, position + rows, on: model.device), span: rows)
    }
    var streams: [Stream] = []
    if full != nil || !cuts.isEmpty { streams.append(try stream(full.map { [$0] } ?? [], isTrunk: true, lane.trunk)) }
    for (plan, cache) in zip(plans.indices, lane.caches) where plans[plan].layer == nil && plan != full {
      streams.append(try stream([plan], isTrunk: false, cache))
    }
    return streams
  }

  /// The streams of all plans that cut after a layer.
  private func branches(
    at layer: Int, _ trunk: Stream, _ state: TrunkState, _ lane: Lane, report: (_ plan: Int, _ kept: [Int]) -> Void
  ) throws -> [Stream] {
    guard let picture = lane.picture else { return [] }
    let whole = 0..<picture.tokens
    let tokens = try picture.rows[layer].map { before in
      let sample = DecoderRows(
        hidden: try concatenate([before.hidden, state.hidden]), queries: try concatenate([before.queries, state.queries]),
        keys: state.keys
      ) { try self.model.decoder.norm($0) }
      return VisualTokens(
        sample: sample, span: whole, visual: [whole], promptEnd: sample.count, grid: model.configuration.vision.grid)
    }
    return try plans.indices.filter { plans[$0].layer == layer }.map { index in
      let (plan, cache) = (plans[index], lane.caches[index])
      try copy(trunk, to: cache, layers: layer)
      var (hidden, positions) = (state.hidden, trunk.positions)
      var kept = picture.kept[index]
      if let tokens, let compressor = plan.compressor, compressor.readsPrompt {
        kept = try model.choose(plan.keep, of: tokens, compressor, Generator(seed: picture.seed))
        let first = cache.nextPosition - picture.tokens
        let rows = try kept ?? Tensor.arange(0, picture.tokens, on: model.device)
        hidden = try concatenate([tokens.hidden().rows(rows), hidden])
        positions = try concatenate([rows + Tensor([first], on: model.device), positions])
      }
      report(index, try kept?.array(Int.self) ?? Array(whole))
      return Stream(
        request: trunk.request, plans: [index], isTrunk: false, cache: cache, hidden: hidden, positions: positions,
        span: trunk.span)
    }
  }
}
