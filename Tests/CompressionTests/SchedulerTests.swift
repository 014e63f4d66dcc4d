import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Sequences that come and go get the tokens that each gets alone.
@Suite struct SchedulerTests {
  private static let plans = [
    nil, "dart:5@2", "fastv:6@1,random:3@3", "random:7@2", "uniform:9@1,uniform:2@2", "pool:4", "downsample:6",
    "random:8@features",
    "uniform:12@tower.1,dart:4@2", "fastv:0@1", "dart:ratio=0.5@3", "sparsevlm:9@2", "uniform:12@1,sparsevlm:7@2,sparsevlm:3@3",
    "autoprune:5:layers=4", "dart:6:rule=by-variety:threshold=0.2@2", "fastv:6:rule=by-information:threshold=0.5@1",
  ]

  private struct Job {
    let request: GenerationRequest
    let options: GenerationOptions
    /// The step before which it joins, and before which it is cancelled.
    let joins: Int
    let leaves: Int?
    let rank: Int
  }

  private static func job(_ model: LLaVAModel, _ random: inout SplitMix) throws -> Job {
    var ids = (0..<Int.random(in: 1...14, using: &random)).map { _ in Int.random(in: 3..<512, using: &random) }
    let images = Int.random(in: 0...2, using: &random)
    for _ in 0..<images { ids.insert(imagePlaceholderID, at: Int.random(in: 0...ids.count, using: &random)) }
    let pixels = try images == 0 ? nil : Tensor.randn([images, 3, 56, 56], generator: Generator(seed: random.next()))
    var options = GenerationOptions()
    options.maximumNewTokens = Int.random(in: 1...9, using: &random)
    options.seed = random.next()
    options.compression = try (plans.randomElement(using: &random) ?? nil).map { try CompressionPlan($0) }
    if Int.random(in: 0..<3, using: &random) == 0 {
      options.temperature = Double.random(in: 0.5...1.5, using: &random)
      options.topK = Int.random(in: 0...5, using: &random)
      options.repetitionPenalty = [1, 1.3].randomElement(using: &random) ?? 1
    }
    let joins = Int.random(in: 0...10, using: &random)
    let leaves = Int.random(in: 0..<4, using: &random) == 0 ? joins + Int.random(in: 0...6, using: &random) : nil
    return Job(
      request: try GenerationRequest(ids: ids, pictures: PicturePixels.each(pixels)), options: options, joins: joins,
      leaves: leaves, rank: Int.random(in: 0..<3, using: &random))
  }

  @Test func promptsOfSmallerRankAreReadFirst() throws {
    var scheduler = Scheduler(try TestModel.tiny(seed: 1), promptRowsOfStep: 10)
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (1, false)
    let request = GenerationRequest(ids: Array(3..<23))
    let ids = [2, 1, 1, 0].map { scheduler.add(request, options, rank: $0) }
    var order: [Int] = []
    while !scheduler.isIdle {
      for case .token(let id, _) in try scheduler.step() { order.append(id) }
    }
    #expect(order == [ids[3], ids[1], ids[2], ids[0]])
  }

  @Test(arguments: 0..<200) func everySequenceGetsItsOwnTokens(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let model = try TestModel.tiny(seed: UInt64(seed % 7))
    let jobs = try (0..<Int.random(in: 1...12, using: &random)).map { _ in try Self.job(model, &random) }
    let chunk = [nil, 1, 3, 7, 20, 40][Int.random(in: 0..<6, using: &random)]
    var scheduler = Scheduler(model, promptRowsOfStep: chunk)
    var ids: [Int?] = jobs.map { _ in nil }
    var tokens: [Int: [Int]] = [:]
    var step = 0
    while step <= jobs.map(\.joins).max() ?? 0 || !scheduler.isIdle {
      for (index, job) in jobs.enumerated() {
        if job.joins == step { ids[index] = scheduler.add(job.request, job.options, rank: job.rank) }
        if job.leaves == step, let id = ids[index] { scheduler.end(id) }
      }
      for event in try scheduler.step() {
        switch event {
        case .token(let id, let token): tokens[id, default: []].append(token)
        case .finished: break
        case .failed(_, let error): Issue.record("seed \(seed): \(error)")
        }
      }
      step += 1
      try #require(step < 2000, "seed \(seed) does not end")
    }
    for (job, id) in zip(jobs, ids) {
      let id = try #require(id)
      let alone = try model.generate([job.request], job.options).results[0]
      let removed = scheduler.remove(id)
      let found = try #require(removed).result
      #expect(found.tokens == tokens[id] ?? [])
      if job.leaves == nil {
        #expect(found.tokens == alone.tokens && found.finish == alone.finish, "seed \(seed), chunks of \(chunk ?? 0)")
        #expect(found.cuts == alone.cuts && found.keptVisualTokens == alone.keptVisualTokens, "seed \(seed)")
        #expect(found.kvCacheBytes == alone.kvCacheBytes)
      } else {
        #expect(Array(alone.tokens.prefix(found.tokens.count)) == found.tokens, "seed \(seed): cancelled")
      }
    }
  }

  /// Breaks its promise for pictures whose first token is large.
  private struct Moody: TokenReducer {
    func reduce(_ choice: TokenChoice) throws -> Reduction {
      let isLarge = try choice.tokens.hidden().abs().max().item() > 1e3
      return .keep(try Tensor(isLarge ? Array(repeating: 0, count: choice.count) : Array(0..<choice.count)))
    }
  }

  /// Refuses every picture.
  private struct Refusing: TokenReducer {
    func reduce(_ choice: TokenChoice) throws -> Reduction { throw CompressionError.notFinite }
  }

  @Test func aSequenceThatFailsFailsAlone() throws {
    let model = try TestModel.tiny(seed: 3)
    let good = try GenerationRequest(
      ids: [1, imagePlaceholderID, 5, 6], pictures: PicturePixels.each(.randn([1, 3, 56, 56], generator: Generator(seed: 1))))
    let spoilt = try GenerationRequest(ids: good.ids, pictures: PicturePixels.each(.full([1, 3, 56, 56], .nan)))
    let long = GenerationRequest(ids: Array(repeating: 5, count: model.configuration.text.maximumPositions))
    let wrong = GenerationRequest(ids: [1, 9999])
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (4, false)
    var cut = options
    cut.compression = try CompressionPlan("fastv:4@2")
    var moody = options
    moody.compression = try CompressionPlan(Moody(), layer: 1, .keep(3))
    var bad = options
    bad.topP = 0
    var refused = options
    refused.compression = try CompressionPlan(stages: [.init(Refusing(), at: .features, .keep(4))])
    let small = try GenerationRequest(ids: good.ids, pictures: PicturePixels.each(.zeros([1, 3, 28, 28])))
    var scheduler = Scheduler(model)
    let fine = [scheduler.add(good, options), scheduler.add(good, cut), scheduler.add(good, moody)]
    let failing = [
      scheduler.add(spoilt, options), scheduler.add(spoilt, cut), scheduler.add(long, options), scheduler.add(wrong, options),
      scheduler.add(good, bad), scheduler.add(good, refused), scheduler.add(small, options),
    ]
    var failed: Set<Int> = []
    while !scheduler.isIdle {
      for case .failed(let id, _) in try scheduler.step() { failed.insert(id) }
    }
    #expect(failed == Set(failing))
    for (id, options) in zip(fine, [options, cut, moody]) {
      let alone = try model.generate([good], options).results[0].tokens
      let result = scheduler.remove(id)?.result
      #expect(result?.tokens == alone)
    }
  }

  /// A cache that is continued twice serves both, and neither sees the other's tokens.
  @Test func aCopyOfACacheIsABranch() throws {
    let model = try TestModel.tiny(seed: 5)
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (3, false)
    var caches: [KeyValueCache]?
    let first = GenerationRequest(ids: [1, 20, 21, 22])
    let start = try model.generate([first], options, caches: &caches).results[0]
    let shared = try #require(caches?.first)
    var answers: [[Int]] = []
    for question in [[40, 41], [50, 51, 52], [40, 41]] {
      var branch: [KeyValueCache]? = [shared]
      let continued = GenerationRequest(ids: [start.tokens[2]] + question)
      answers.append(try model.generate([continued], options, caches: &branch).results[0].tokens)
      let whole = GenerationRequest(ids: first.ids + start.tokens + question)
      #expect(try model.generate([whole], options).results[0].tokens == answers.last)
      #expect(shared.nextPosition == 6 && shared.count(layer: 0) == 6)
    }
    #expect(answers[0] == answers[2])
  }
}
