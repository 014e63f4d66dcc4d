import Compression
import LLaVA
import Language
import Torch

/// What the engine's thread does: one turn after the other.
struct EngineLoop {
  /// An answer on its way.
  private struct Live {
    let job: Job
    let reply: Reply
    var stream: AnswerStream
    /// Its number in the scheduler; nil while its pictures are being encoded.
    var id: Int?
    var segments: [VisualSegment] = []
    var cachedPictures: [Bool] = []
    var cachedRows = 0
    var prefixKey: String?
    /// Share of its rows that a decoder layer sees on average.
    let share: Double
    let started = ContinuousClock.now
    var firstToken: ContinuousClock.Instant?
    /// True once a stop string was seen, or the reader is gone.
    var isStopped = false
  }

  private let pipeline: LLaVAPipeline
  private let options: EngineOptions
  private var scheduler: Scheduler
  private var live: [Live] = []
  private var features: ContentCache<VisualSegment>
  private var prefixes: ContentCache<PromptPrefix>
  private(set) var figures = EngineFigures()
  private var model: LLaVAModel { pipeline.model }

  init(_ pipeline: LLaVAPipeline, _ options: EngineOptions) {
    (self.pipeline, self.options) = (pipeline, options)
    scheduler = Scheduler(pipeline.model)
    features = ContentCache(limit: options.sharedBytes / 4)
    prefixes = ContentCache(limit: options.sharedBytes - options.sharedBytes / 4)
  }

  var isIdle: Bool { live.isEmpty }

  /// Takes new jobs, drops those that nobody wants any more, encodes a picture, takes a step.
  mutating func turn(_ news: [(Job, Reply)]) {
    for (job, reply) in news { add(job, reply) }
    dropUnwanted()
    encodeNext()
    if !scheduler.isIdle { step() }
    note()
  }

  /// Fails everything that is left.
  mutating func stop() {
    for one in live { one.reply.finish(.failure(EngineError.draining)) }
    live = []
  }

  // MARK: Coming and going

  private mutating func add(_ job: Job, _ reply: Reply) {
    let stream = AnswerStream(pipeline.tokenizer, stopStrings: pipeline.template.stopStrings + job.stops)
    let layouts = model.layouts(of: job.pictures.map(\.pixels))
    let total = layouts.tokens
    var share = 1.0
    if !job.pictures.isEmpty, let stages = try? model.resolve(job.options.compression, [layouts]) {
      // A plan that does not fit fails in the scheduler, with its reason.
      let layers = model.configuration.text.layers
      let text = job.ids.count - job.pictures.count
      let rows = (0..<layers).reduce(0) { sum, layer in
        sum + text + (stages.tokens(inLayer: layer, of: layouts) ?? total)
      }
      share = Double(rows) / Double(layers * max(1, text + total))
    }
    live.append(Live(job: job, reply: reply, stream: stream, share: share))
    if job.pictures.isEmpty || !job.keepsPicturesWhole { schedule(live.count - 1) }
  }

  /// Hands an answer whose pictures are ready, or that encodes them on its own way, to the scheduler.
  private mutating func schedule(_ index: Int) {
    let job = live[index].job
    var shared = SharedWork()
    if job.keepsPicturesWhole, !job.pictures.isEmpty {
      if isBeingRead(prefixOf: job) { return }
      shared.segments = live[index].segments
      live[index].segments = []
      // Something has to be left to read.
      if let prefix = job.prefixKey(), prefix.ids < job.ids.count, options.sharedBytes > 0 {
        let rows = prefix.ids - job.pictures.count + model.layouts(of: job.pictures.map(\.pixels)).tokens
        figures.prefixQueries += rows
        if let found = prefixes.value(prefix.key) {
          figures.prefixHits += rows
          live[index].cachedRows = rows
          shared.prefix = found
        } else {
          live[index].prefixKey = prefix.key
          shared.keptRows = rows
        }
      }
    }
    live[index].id = scheduler.add(job.request, job.options, shared: shared)
  }

  /// Whether another answer is reading the very same pictures now: waiting for it costs less than reading them once more.
  private func isBeingRead(prefixOf job: Job) -> Bool {
    guard options.sharedBytes > 0, let prefix = job.prefixKey(), prefix.ids < job.ids.count else { return false }
    return live.contains { $0.prefixKey == prefix.key }
  }

  private mutating func dropUnwanted() {
    // Asked once: readers go at any moment.
    for index in live.indices.reversed() where live[index].reply.isCancelled { finish(index, .failure(CancellationError())) }
  }

  // MARK: Pictures

  /// Encodes one picture of whoever waits longest, and takes all that are known already.
  private mutating func encodeNext() {
    var mayEncode = true
    var index = 0
    while index < live.count {
      let count = live.count
      if live[index].id == nil {
        do {
          try gather(index, &mayEncode)
          if live[index].segments.count == live[index].job.pictures.count { schedule(index) }
        } catch {
          finish(index, .failure(error))
        }
      }
      if live.count == count { index += 1 }
    }
  }

  /// Collects the rows of an answer's pictures: those that are known, and one that is not.
  private mutating func gather(_ index: Int, _ mayEncode: inout Bool) throws {
    for picture in live[index].segments.count..<live[index].job.pictures.count {
      let key = live[index].job.featureKey(picture)
      var segment = features.value(key)
      live[index].cachedPictures.append(segment != nil)
      if segment == nil {
        if !mayEncode {
          live[index].cachedPictures.removeLast()
          return
        }
        mayEncode = false
        let clock = ContinuousClock.now
        let found = try encoded(live[index].job, picture)
        figures.note(pictureSeconds: (ContinuousClock.now - clock) / .seconds(1))
        features.insert(found, key, bytes: found.byteCount)
        segment = found
      }
      if let segment { live[index].segments.append(segment) }
    }
  }

  private func encoded(_ job: Job, _ picture: Int) throws -> VisualSegment {
    try inference {
      let request = PictureRequest(
        ids: job.ids, pictures: [job.pictures[picture].pixels], plan: job.options.compression,
        generator: try Generator(seed: job.options.seed))
      let segment = try model.encode([request])[0][0]
      // The clock is read after the device has finished.
      try model.device.synchronize()
      return segment
    }
  }

  // MARK: Steps

  private mutating func step() {
    let isWriting = live.contains { $0.firstToken != nil }
    let limit = figures.rowsPerSecond * (options.stall / .seconds(1))
    // Without anybody to keep waiting a prompt is read as a whole.
    scheduler.promptRowsOfStep = isWriting ? (figures.rowsPerSecond > 0 ? max(16, Int(min(limit, 1e6))) : 64) : nil
    let before = unreadRows
    let clock = ContinuousClock.now
    do {
      let events = try scheduler.step()
      // Before those that are complete are gone.
      keepPrefixes()
      for event in events { take(event) }
    } catch {
      lose(error)
    }
    let seconds = (ContinuousClock.now - clock) / .seconds(1)
    if isWriting { figures.longestStep = max(figures.longestStep, seconds) }
    figures.note(rows: before - unreadRows, seconds: seconds)
  }

  /// Rows that are still to be read, as many as a layer sees on average.
  private var unreadRows: Double {
    live.reduce(0) { sum, one in sum + (one.id.map { Double(scheduler.unreadRows(of: $0)) } ?? 0) * one.share }
  }

  private mutating func take(_ event: Scheduler.Event) {
    switch event {
    case .token(let id, let token):
      guard let index = live.firstIndex(where: { $0.id == id }), !live[index].isStopped else { return }
      live[index].firstToken = live[index].firstToken ?? .now
      figures.newTokens += 1
      do {
        let (piece, stopped) = try live[index].stream.append(token)
        if !live[index].reply.append(piece) {
          scheduler.end(id)
          finish(index, .failure(EngineError.slowReader))
        } else if stopped {
          live[index].isStopped = true
          scheduler.end(id, .stop)
          complete(index)
        }
      } catch {
        scheduler.end(id)
        finish(index, .failure(error))
      }
    case .finished(let id, _):
      if let index = live.firstIndex(where: { $0.id == id }) { complete(index) }
    case .failed(let id, let error):
      if let index = live.firstIndex(where: { $0.id == id }) { finish(index, .failure(error)) }
    }
  }

  /// Ends an answer whose last token has come.
  private mutating func complete(_ index: Int) {
    let one = live[index]
    guard let id = one.id, let result = scheduler.remove(id)?.result else { return }
    do {
      var stream = one.stream
      if !one.isStopped { _ = one.reply.append(try stream.finish()) }
      figures.promptTokens += result.promptTokens
      figures.visualTokens += result.visualTokens
      figures.keptVisualTokens += result.keptVisualTokens
      let outcome = Reply.Outcome(
        result: result, cachedRows: one.cachedRows, cachedPictures: one.cachedPictures, started: one.started,
        firstToken: one.firstToken ?? .now, ended: .now)
      one.reply.finish(.success(outcome))
    } catch {
      one.reply.finish(.failure(error))
    }
    live.remove(at: index)
  }

  private mutating func finish(_ index: Int, _ end: Result<Reply.Outcome, any Error>) {
    if let id = live[index].id { _ = scheduler.remove(id) }
    live[index].reply.finish(end)
    live.remove(at: index)
  }

  private mutating func keepPrefixes() {
    for index in live.indices {
      guard let id = live[index].id, let key = live[index].prefixKey, let prefix = scheduler.takePrefix(of: id) else { continue }
      prefixes.insert(prefix, key, bytes: prefix.byteCount)
      live[index].prefixKey = nil
    }
  }

  /// After a step that failed as a whole: those whose caches went with it fail, the others go on.
  private mutating func lose(_ error: any Error) {
    let lost = live.filter { $0.id.map(scheduler.isFinished) ?? false }
    // A step that harms nobody would be taken again and again.
    for one in lost.isEmpty ? live : lost {
      if let id = one.id { _ = scheduler.remove(id) }
      one.reply.finish(.failure(EngineError.lost(reason: "\(error)")))
    }
    let gone = Set((lost.isEmpty ? live : lost).map { ObjectIdentifier($0.reply) })
    live.removeAll { gone.contains(ObjectIdentifier($0.reply)) }
  }

  private mutating func note() {
    figures.running = live.count
    figures.queuedRows = live.reduce(0) { sum, one in
      let rows =
        one.id.map(scheduler.unreadRows)
        ?? one.job.ids.count - one.job.pictures.count
        + model.layouts(of: one.job.pictures.map(\.pixels)).tokens
      return sum + Double(rows) * one.share
    }
    figures.queuedPictures = live.reduce(0) { $0 + ($1.id == nil ? $1.job.pictures.count - $1.segments.count : 0) }
    (figures.pictureQueries, figures.pictureHits) = (features.queries, features.hits)
    figures.sharedBytes = features.bytes + prefixes.bytes
  }
}

extension VisualSegment {
  /// Bytes that it holds.
  fileprivate var byteCount: Int {
    tower.values.reduce(rows.count * rows.dtype.size) { $0 + ($1.queries.count + $1.keys.count) * $1.queries.dtype.size }
  }
}
