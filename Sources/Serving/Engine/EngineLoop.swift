import Compression
import LLaVA
import Language
import Torch

/// What the engine's thread does: one turn after the other.
struct EngineLoop {
  /// An answer on its way.
  struct Live {
    /// Its place in the order in which jobs came.
    let number: Int
    let job: Job
    let reply: Reply
    var stream: AnswerStream
    /// Its number in the scheduler; nil while its pictures are being encoded.
    var id: Int?
    var segments: [VisualSegment] = []
    var cachedPictures: [Bool] = []
    var cachedRows = 0
    var prefixKey: String?
    /// What its pictures and its prompt up to their end follow from, where that can be shared.
    let featureKeys: [String]
    let prefix: (key: String, ids: Int)?
    /// Rows of its prompt at the decoder's first layer.
    let rows: PromptRows
    let started = ContinuousClock.now
    var firstToken: ContinuousClock.Instant?
    /// True once a stop string was seen, or the reader is gone.
    var isStopped = false
  }

  let pipeline: LLaVAPipeline
  let options: EngineOptions
  private(set) var scheduler: Scheduler
  private(set) var live: [Live] = []
  private(set) var features: ContentCache<VisualSegment>
  private(set) var prefixes: ContentCache<PromptPrefix>
  var figures = EngineFigures()
  /// Seconds that this turn has spent on encoding a picture.
  private(set) var encodingSeconds = 0.0
  /// When the last answer was complete; nil after a rest.
  private var lastComplete: ContinuousClock.Instant?
  private var nextNumber = 0
  var model: LLaVAModel { pipeline.model }

  init(_ pipeline: LLaVAPipeline, _ options: EngineOptions) {
    (self.pipeline, self.options) = (pipeline, options)
    scheduler = Scheduler(pipeline.model)
    features = ContentCache(limit: options.sharedBytes / 4)
    prefixes = ContentCache(limit: options.sharedBytes - options.sharedBytes / 4)
  }

  var isIdle: Bool { live.isEmpty }

  /// Takes new jobs, drops those that nobody wants any more, encodes a picture, takes a step.
  mutating func turn(_ news: [(Job, Reply)]) {
    encodingSeconds = 0
    for (job, reply) in news { add(job, reply) }
    dropUnwanted()
    encodeNext()
    if !scheduler.isIdle { step() }
    if live.isEmpty { lastComplete = nil }
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
    let isShared = job.keepsPicturesWhole && !job.pictures.isEmpty
    // Something has to be left to read behind a prefix.
    let prefix = isShared && options.sharedBytes > 0 ? job.prefixKey().flatMap { $0.ids < job.ids.count ? $0 : nil } : nil
    nextNumber += 1
    live.append(
      Live(
        number: nextNumber, job: job, reply: reply, stream: stream,
        featureKeys: isShared ? job.pictures.indices.map(job.featureKey) : [],
        prefix: prefix,
        rows: PromptRows(job, model)))
    if job.pictures.isEmpty || !job.keepsPicturesWhole { schedule(live.count - 1) }
  }

  /// Hands an answer whose pictures are ready, or that encodes them on its own way, to the scheduler.
  private mutating func schedule(_ index: Int) {
    let job = live[index].job
    var shared = SharedWork()
    if job.keepsPicturesWhole, !job.pictures.isEmpty {
      if isBeingRead(live[index].prefix?.key) { return }
      shared.segments = live[index].segments
      live[index].segments = []
      if let prefix = live[index].prefix {
        let rows = rows(of: job, upTo: prefix.ids)
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
    // One that has waited for a picture that another one was reading comes before those that came later.
    live[index].id = scheduler.add(job.request, job.options, shared: shared, rank: live[index].number)
  }

  /// Rows of a prompt's beginning, which holds all its pictures.
  private func rows(of job: Job, upTo ids: Int) -> Int {
    ids - job.pictures.count + model.layouts(of: job.pictures.map(\.pixels)).tokens
  }

  /// Whether another answer is reading the very same pictures now: waiting for it costs less than reading them once more.
  private func isBeingRead(_ prefix: String?) -> Bool { prefix.map { key in live.contains { $0.prefixKey == key } } ?? false }

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
      let key = live[index].featureKeys[picture]
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
        encodingSeconds = (ContinuousClock.now - clock) / .seconds(1)
        figures.times.note(pictureSeconds: encodingSeconds)
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
    let writers = live.count { $0.firstToken != nil }
    scheduler.promptRowsOfStep = promptRows(isWriting: writers > 0)
    let before = unreadRows
    let clock = ContinuousClock.now
    do {
      let events = try scheduler.step()
      // Before those that are complete are gone.
      keepPrefixes()
      let read = before - unreadRows
      for event in events { take(event) }
      let seconds = (ContinuousClock.now - clock) / .seconds(1)
      figures.times.note(rows: read, answers: writers, seconds: seconds)
      if writers > 0 { figures.longestStep = max(figures.longestStep, seconds + encodingSeconds) }
    } catch {
      lose(error)
    }
  }

  private mutating func take(_ event: Scheduler.Event) {
    switch event {
    case .token(let id, let token):
      guard let index = live.firstIndex(where: { $0.id == id }), !live[index].isStopped else { return }
      if live[index].firstToken == nil {
        live[index].firstToken = .now
        live[index].job.entry?.close()
      }
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
      if let lastComplete { figures.times.note(answerSeconds: (.now - lastComplete) / .seconds(1)) }
      lastComplete = .now
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
}

extension VisualSegment {
  /// Bytes that it holds.
  fileprivate var byteCount: Int {
    let traces = tower.values.flatMap { [$0.queries, $0.keys, $0.paid].compactMap(\.self) }
    return ([rows] + traces).reduce(0) { $0 + $1.count * $1.dtype.size }
  }
}
