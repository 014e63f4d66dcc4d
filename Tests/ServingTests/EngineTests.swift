import Compression
import Engine
import Foundation
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

/// Answers are those of `epic generate`, whoever else is answered, and whatever is kept from earlier questions.
@Suite struct EngineTests {
  private static let plans = [
    nil, "fastv:6@1", "dart:5@2", "dart:7:text-pivots=0@1", "random:7@2", "uniform:9@1", "pool:4", "downsample:6", "fastv:8/3@2",
  ]

  /// Pictures that several requests show.
  private static func picture(_ number: Int) throws -> PreparedImage {
    PreparedImage(
      pixels: try PicturePixels(.randn([3, 56, 56], generator: Generator(seed: UInt64(number)))), digest: "picture \(number)")
  }

  private static func job(_ random: inout SplitMix) throws -> Job {
    let count = Int.random(in: 0...2, using: &random)
    let pictures = try (0..<count).map { _ in try picture(Int.random(in: 0..<4, using: &random)) }
    // Few beginnings, so that some are met again.
    var ids = [1, 10 + Int.random(in: 0..<2, using: &random)]
    for _ in pictures { ids.append(imagePlaceholderID) }
    ids += (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 3..<259, using: &random) }
    var options = GenerationOptions()
    options.maximumNewTokens = Int.random(in: 1...8, using: &random)
    options.seed = UInt64(Int.random(in: 0..<3, using: &random))
    options.compression = try (plans.randomElement(using: &random) ?? nil).map { try CompressionPlan($0) }
    if Int.random(in: 0..<3, using: &random) == 0 { options.temperature = 0.8 }
    options.stopsAtEnd = Int.random(in: 0..<2, using: &random) == 0
    return Job(ids: ids, pictures: pictures, options: options)
  }

  private static func answer(_ reply: Reply) async throws -> Reply.Outcome {
    while let event = try await reply.next() { if case .finished(let outcome) = event { return outcome } }
    throw CancellationError()
  }

  /// What `epic generate` answers: the same request, alone, stop strings of the template included.
  private static func alone(_ job: Job, _ pipeline: LLaVAPipeline) throws -> GenerationResult {
    return try pipeline.answer(
      GenerationRequest(ids: job.ids, pictures: job.pictures.map(\.pixels)), job.options, stopStrings: job.stops
    ).result
  }

  private static let seeds = Int(ProcessInfo.processInfo.environment["EPIC_SERVING_SEEDS"] ?? "") ?? 12

  @Test(arguments: 0..<seeds) func everyRequestGetsItsOwnTokens(_ seed: Int) async throws {
    var random = SplitMix(seed: UInt64(seed))
    let pipeline = TestServer.pipeline
    var options = EngineOptions()
    options.stall = .microseconds([1, 500, 100_000].randomElement(using: &random) ?? 1)
    options.sharedBytes = [0, 1 << 15, 1 << 30].randomElement(using: &random) ?? 0
    let engine = Engine(pipeline, options)
    defer { engine.stop() }
    let jobs = try (0..<17).map { _ in try Self.job(&random) }
    let cancelled = Set((0..<4).map { _ in Int.random(in: 0..<17, using: &random) })
    var replies: [Reply] = []
    for (index, job) in jobs.enumerated() {
      replies.append(engine.submit(job))
      if index % 5 == 4 { try await Task.sleep(for: .milliseconds(Int.random(in: 0...6, using: &random))) }
      if cancelled.contains(index) { replies[index].cancel() }
    }
    for (index, job) in jobs.enumerated() where !cancelled.contains(index) {
      let outcome = try await Self.answer(replies[index])
      let alone = try Self.alone(job, pipeline)
      #expect(
        outcome.result.tokens == alone.tokens, "seed \(seed), job \(index), \(job.options.compression?.description ?? "all")")
      #expect(outcome.result.finish == alone.finish && outcome.result.cuts == alone.cuts, "seed \(seed), job \(index)")
      #expect(outcome.result.promptTokens == alone.promptTokens)
      #expect(outcome.result.keptVisualTokens == alone.keptVisualTokens, "seed \(seed), job \(index)")
    }
    for index in cancelled {
      do {
        // One that was complete before it was cancelled.
        let outcome = try await Self.answer(replies[index])
        #expect(outcome.result.tokens == (try Self.alone(jobs[index], pipeline).tokens))
      } catch is CancellationError {}
    }
    while engine.state.running > 0 { try await Task.sleep(for: .milliseconds(1)) }
  }

  /// A further question about a picture computes its own words alone, under every plan that works in the decoder, and is answered alike.
  @Test(arguments: [nil, "fastv:6@1", "dart:5@2", "dart:5:text-pivots=0@2", "uniform:9@1", "random:7@2"])
  func aSecondQuestionCostsItsOwnText(_ plan: String?) async throws {
    let pipeline = TestServer.pipeline
    let engine = Engine(pipeline)
    defer { engine.stop() }
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (5, false)
    options.compression = try plan.map { try CompressionPlan($0) }
    func ask(_ words: [Int], _ picture: Int, salt: String? = nil) async throws -> (Job, Reply.Outcome) {
      var job = Job(ids: [1, 7, imagePlaceholderID] + words, pictures: [try Self.picture(picture)], options: options)
      job.salt = salt
      return (job, try await Self.answer(engine.submit(job)))
    }
    let first = try await ask([40, 41], 1)
    #expect(first.1.cachedRows == 0 && first.1.cachedPictures == [false])
    for words in [[50, 51, 52], [40, 41], [60]] {
      let (job, outcome) = try await ask(words, 1)
      #expect(outcome.cachedRows == 2 + 16 && outcome.cachedPictures == [true])
      let alone = try Self.alone(job, pipeline)
      #expect(outcome.result.tokens == alone.tokens && outcome.result.cuts == alone.cuts)
      #expect(outcome.result.keptVisualTokens == alone.keptVisualTokens && outcome.result.kvCacheBytes == alone.kvCacheBytes)
    }
    // Another picture, and another word for the same one, find nothing.
    #expect(try await ask([50], 2).1.cachedRows == 0)
    #expect(try await ask([50], 1, salt: "other").1.cachedPictures == [false])
    #expect(try await ask([50], 1, salt: "other").1.cachedRows == 18)
    // Another budget shares the picture's features and nothing behind.
    options.compression = try CompressionPlan("fastv:3@2")
    let other = try await ask([50], 1)
    #expect(other.1.cachedRows == 0 && other.1.cachedPictures == [true])
    let alone = try Self.alone(other.0, pipeline)
    #expect(other.1.result.tokens == alone.tokens)
  }

  /// Questions about one picture that come at the same time read it once.
  @Test func questionsAtTheSameTimeReadThePictureOnce() async throws {
    let pipeline = TestServer.pipeline
    let engine = Engine(pipeline)
    defer { engine.stop() }
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (5, false)
    options.compression = try CompressionPlan("dart:5@2")
    let jobs = try (0..<4).map { number in
      Job(ids: [1, 7, imagePlaceholderID, 40 + number], pictures: [try Self.picture(1)], options: options)
    }
    let replies = jobs.map { engine.submit($0) }
    for (number, (job, reply)) in zip(jobs, replies).enumerated() {
      let outcome = try await Self.answer(reply)
      #expect(outcome.cachedRows == (number == 0 ? 0 : 2 + 16), "question \(number)")
      #expect(outcome.result.tokens == (try Self.alone(job, pipeline).tokens), "question \(number)")
    }
  }

  /// In a conversation the first question decides, as in a chat, also where the picture was there already.
  @Test func theFirstPromptDecides() async throws {
    let pipeline = TestServer.pipeline
    let engine = Engine(pipeline)
    defer { engine.stop() }
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (4, false)
    options.compression = try CompressionPlan("fastv:5@2")
    for (words, length) in [([50, 51, 52, 53], 5), ([60, 61, 62], 4), ([50, 51, 70], 6)] {
      var job = Job(ids: [1, 7, imagePlaceholderID] + words, pictures: [try Self.picture(3)], options: options)
      job.promptLength = length
      let outcome = try await Self.answer(engine.submit(job))
      let request = GenerationRequest(ids: job.ids, pictures: [job.pictures[0].pixels], promptLength: length)
      let alone = try pipeline.model.generate([request], options).results[0]
      #expect(outcome.result.tokens == alone.tokens && outcome.result.cuts == alone.cuts)
    }
  }

  /// Row 52 of the hostile requests: a request whose scores are not finite fails alone.
  @Test func aFailingRowFailsAlone() async throws {
    let pipeline = TestServer.pipeline
    let engine = Engine(pipeline)
    defer { engine.stop() }
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (6, false)
    let bad = Job(
      ids: [1, imagePlaceholderID, 5],
      pictures: [PreparedImage(pixels: try PicturePixels(.full([3, 56, 56], .nan)), digest: "nan")],
      options: options)
    let wrong = Job(ids: [1, 9999], options: options)
    let good = try (0..<7).map { Job(ids: [1, imagePlaceholderID, 20 + $0], pictures: [try Self.picture($0)], options: options) }
    let failing = [engine.submit(bad), engine.submit(wrong)]
    let replies = good.map { engine.submit($0) }
    await #expect(throws: GenerationError.self) { _ = try await Self.answer(failing[0]) }
    await #expect(throws: PromptError.self) { _ = try await Self.answer(failing[1]) }
    for (job, reply) in zip(good, replies) {
      let alone = try Self.alone(job, pipeline)
      #expect(try await Self.answer(reply).result.tokens == alone.tokens)
    }
    #expect(engine.state.running == 0)
  }

  /// An answer that nobody reads ends, and holds up nobody.
  @Test func aSlowReaderEndsAlone() async throws {
    var small = EngineOptions()
    small.replyBytes = 4
    let engine = Engine(TestServer.pipeline, small)
    defer { engine.stop() }
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (200, false)
    let slow = engine.submit(Job(ids: [1, 20, 21], options: options))
    try await Patience.wait(for: "the engine to give up") { engine.state.newTokens > 0 && engine.state.running == 0 }
    var caught: (any Error)?
    do { while try await slow.next() != nil {} } catch { caught = error }
    #expect(caught as? EngineError == .slowReader)
    #expect(engine.state.running == 0)
  }

  @Test func memoryAndPlacesAreBounded() async throws {
    var options = EngineOptions()
    (options.maximumSequences, options.maximumQueued, options.cacheBytes) = (2, 1, 100)
    let admission = Admission(options)
    let passes = [try admission.enter(), try admission.enter(), try admission.enter()]
    #expect(throws: EngineError.full) { _ = try admission.enter() }
    try await admission.wait(passes[0], bytes: 60)
    await #expect(throws: EngineError.tooLarge(bytes: 101, limit: 100)) { try await admission.wait(passes[1], bytes: 101) }
    // The second does not fit beside the first, and is let in when that leaves.
    async let second: Void = admission.wait(passes[1], bytes: 60)
    while admission.load.waiting == 0 { await Task.yield() }
    #expect(admission.load.running == 1 && admission.load.bytes == 60)
    passes[0].release()
    try await second
    #expect(admission.load.running == 1 && admission.load.bytes == 60 && admission.load.inside == 2)
    // One that is cancelled while it waits leaves nothing behind.
    let waiting = Task { try await admission.wait(passes[2], bytes: 60) }
    while admission.load.waiting == 0 { await Task.yield() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    for pass in passes { pass.release() }
    #expect(admission.load == (0, 0, 0, 0, false))
    admission.drain()
    #expect(throws: EngineError.draining) { _ = try admission.enter() }
  }
}
