import Basics
import Compression
import Foundation
import Imaging
import Language
import MadeVideos
import Synchronization
import TestModels
import TestSupport
import Testing
import Torch
import Video

@testable import LLaVA

/// Videos that come frame by frame.
@Suite struct VideoSessionTests {
  static let families = ["tiny-onevision", "tiny-next-video", "tiny-qwen2.5-vl"]
  private static let question = "What moves?"

  /// A model of random weights, of one layer where what is forgotten is to leave no trace in what is kept.
  private static func pipeline(_ preset: String, layers: Int? = nil, context: Int? = nil) throws -> LLaVAPipeline {
    let scratch = try Scratch()
    var configuration = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &configuration)
    if let layers { configuration.text.layers = layers }
    if let context { configuration.text.maximumPositions = context }
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(LLaVAModel.random(configuration, seed: 5), to: folder)
    return try LLaVAPipeline.load(from: folder)
  }

  /// Frames of which each differs from the one before in a part, by a seed.
  private static func frames(_ count: Int, seed: UInt64) throws -> [RGBImage] {
    var random = SplitMix64(seed: seed)
    var pixels = (0..<3 * 56 * 112).map { _ in UInt8.random(in: 0...255, using: &random) }
    return try (0..<count).map { _ in
      let (row, column) = (Int.random(in: 0..<28, using: &random), Int.random(in: 0..<56, using: &random))
      for y in row..<row + 28 {
        for x in 3 * column..<3 * (column + 56) { pixels[y * 336 + x] = UInt8.random(in: 0...255, using: &random) }
      }
      return try RGBImage(width: 112, height: 56, pixels: pixels)
    }
  }

  private static func settings(_ change: (inout StreamSettings) -> Void = { _ in }) -> StreamSettings {
    var settings = StreamSettings()
    settings.options.maximumNewTokens = 12
    settings.options.stopsAtEnd = false
    change(&settings)
    return settings
  }

  private static func session(
    _ pipeline: LLaVAPipeline, _ frames: some Collection<RGBImage>, _ settings: StreamSettings
  ) throws -> VideoSession {
    var session = try VideoSession(pipeline, settings)
    for (index, frame) in frames.enumerated() { try session.push(frame, at: Double(index) / 2) }
    return session
  }

  private static func ids(_ pipeline: LLaVAPipeline) throws -> [Int] {
    try encodeWithImages(
      pipeline.template.prompt(for: [Turn(.user, "<image>\n" + question), Turn(.assistant, "")]), tokenizer: pipeline.tokenizer)
  }

  private static func pixels(_ pipeline: LLaVAPipeline, _ frames: [RGBImage]) throws -> PicturePixels {
    try #require(pipeline.videos).frames.video(frames, secondsPerFrame: 0.5)
  }

  /// The answer to a video of which some rows are there, read at once.
  private static func answer(
    _ pipeline: LLaVAPipeline, _ frames: [RGBImage], keeping chosen: (VisualSegment) throws -> [Int]
  ) throws -> [Int] {
    let pixels = try pixels(pipeline, frames)
    var segment = try pipeline.model.encode([PictureRequest(ids: [], pictures: [pixels])])[0][0]
    let counted = segment.layout.counted
    let kept = try Tensor(chosen(segment) + Array(counted..<segment.rows.size(0)))
    segment.places = try segment.places?.rows(kept, 1) ?? kept
    (segment.rows, segment.kept) = (try segment.rows.rows(kept), kept)
    var scheduler = Scheduler(pipeline.model)
    let id = scheduler.add(
      GenerationRequest(ids: try ids(pipeline), pictures: [pixels]), settings().options, shared: SharedWork(segments: [segment]))
    while !scheduler.isIdle { _ = try scheduler.step() }
    let end = scheduler.remove(id)
    return try #require(end).result.tokens
  }

  /// With all tokens, and while nothing is forgotten, a stream is the video.
  @Test(arguments: families) func aStreamIsTheVideo(_ preset: String) throws {
    let pipeline = try Self.pipeline(preset)
    let frames = try Self.frames(6, seed: 1)
    let session = try Self.session(pipeline, frames, Self.settings())
    let request = GenerationRequest(ids: try Self.ids(pipeline), pictures: [try Self.pixels(pipeline, frames)])
    let expected = try pipeline.answer(request, Self.settings().options)
    let found = try session.answer(Self.question)
    #expect(found.result.tokens == expected.result.tokens && found.text == expected.text)
    #expect(session.report.frames == 6 && session.report.tokens == session.report.keptTokens)
    // Asking leaves no trace.
    #expect(try session.answer(Self.question).result.tokens == expected.result.tokens)
  }

  /// Rationed tokens are those that differ most from the frame before, and are read as if the others had been dropped by hand.
  @Test(arguments: families) func rationedTokensAreThoseThatDiffer(_ preset: String) throws {
    let pipeline = try Self.pipeline(preset)
    let (frames, depth) = (try Self.frames(8, seed: 2), preset == "tiny-qwen2.5-vl" ? 2 : 1)
    let session = try Self.session(pipeline, frames, Self.settings { ($0.tokensPerSecond, $0.burst) = (3, 4) })
    var kept = 0
    let expected = try Self.answer(pipeline, frames) { segment in
      let tokens = segment.layout.counted / (frames.count / depth)
      let rows = try (0..<segment.layout.counted).map { try segment.rows.selected(0, $0).array(Float.self) }
      func cosine(_ a: [Float], _ b: [Float]) -> Double {
        func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
        return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
      }
      var (level, chosen) = (4.0, [Int]())
      for group in 0..<frames.count / depth {
        if group > 0 { level = min(4, level + 3 * Double(depth) / 2) }
        let most = min(tokens, Int(level + 1e-6))
        level -= Double(most)
        let own = Array(group * tokens..<(group + 1) * tokens)
        if group == 0 {
          chosen += (0..<most).map { own[$0 * tokens / most] }
        } else {
          chosen += own.sorted { cosine(rows[$0], rows[$0 - tokens]) < cosine(rows[$1], rows[$1 - tokens]) }.prefix(most).sorted()
        }
      }
      kept = chosen.count
      return chosen
    }
    #expect(session.report.keptTokens == kept && kept < session.report.tokens)
    #expect(try session.answer(Self.question).result.tokens == expected)
  }

  /// In a model of one layer a frame that is forgotten was never there: positions kept leave a gap, moved ones none.
  @Test(arguments: families) func whatIsForgottenIsGone(_ preset: String) throws {
    let pipeline = try Self.pipeline(preset, layers: 1)
    let frames = try Self.frames(14, seed: 3)
    let window = Self.settings { $0.window = 2.2 }
    let kept = try Self.session(pipeline, frames, window)
    // The last frame, or pair of frames, comes at 6.5 or 6 s: what came before 4.3 or 3.8 s is gone.
    let first = preset == "tiny-qwen2.5-vl" ? 8 : 9
    let expected = try Self.answer(pipeline, frames) { segment in
      Array(segment.layout.counted * first / frames.count..<segment.layout.counted)
    }
    #expect(try kept.answer(Self.question).result.tokens == expected)
    var moving = window
    moving.positions = .moved
    let moved = try Self.session(pipeline, frames, moving)
    let fresh = try Self.session(pipeline, frames[first...], Self.settings())
    #expect(try moved.answer(Self.question).result.tokens == fresh.answer(Self.question).result.tokens)
    #expect(moved.report.cachedTokens == fresh.report.cachedTokens && kept.report.cachedTokens == fresh.report.cachedTokens)
    #expect(moved.report.kvCacheBytes == fresh.report.kvCacheBytes)
    #expect(moved.report.forgottenTokens == moved.report.tokens * first / frames.count)
  }

  /// The beginning that is kept for good is there as in a video that lacks what lies between.
  @Test func theBeginningStays() throws {
    let pipeline = try Self.pipeline("tiny-onevision", layers: 1)
    let frames = try Self.frames(14, seed: 4)
    let session = try Self.session(pipeline, frames, Self.settings { ($0.window, $0.sink) = (2.2, 6) })
    let expected = try Self.answer(pipeline, frames) { segment in
      let tokens = segment.layout.counted / frames.count
      return Array(0..<6) + Array(9 * tokens..<segment.layout.counted)
    }
    #expect(try session.answer(Self.question).result.tokens == expected)
  }

  /// However long the stream is, the cache is as large as the window and positions end with the context.
  @Test(arguments: families, StreamSettings.Positions.allCases) func memoryHasABound(
    _ preset: String, _ positions: StreamSettings.Positions
  ) throws {
    let pipeline = try Self.pipeline(preset, layers: 1, context: 700)
    let frames = try Self.frames(8, seed: 5)
    var session = try VideoSession(
      pipeline, Self.settings { ($0.window, $0.positions, $0.tokensPerSecond) = (8, positions, 4) })
    let opening = try #require(try Self.ids(pipeline).firstIndex(of: imagePlaceholderID))
    for index in 0..<800 {
      try session.push(frames[index % 8], at: Double(index) / 2)
      if index % 100 == 99 { #expect(try session.answer(Self.question).result.tokens.count == 12) }
      // What the window's seconds bring, and what was saved up.
      #expect(session.report.cachedTokens <= opening + 8 * 4 + 2 * 8)
    }
    #expect(abs(session.report.keptPerSecond - 4) < 0.1 && session.report.forgottenTokens > 1000)
  }

  @Test func whatMakesNoSenseIsRefused() throws {
    let pipeline = try Self.pipeline("tiny-onevision")
    let frame = try Self.frames(1, seed: 6)[0]
    var session = try VideoSession(pipeline, Self.settings())
    #expect(throws: StreamError.noFrames) { _ = try session.answer("What?") }
    try session.push(frame, at: 1)
    for time in [1, 0.5, .nan] { #expect(throws: StreamError.self) { try session.push(frame, at: time) } }
    #expect(session.report.frames == 1)
    for change: (inout StreamSettings) -> Void in [
      { $0.window = 0 }, { $0.tokensPerSecond = -1 }, { $0.burst = .nan }, { $0.sink = -1 }, { $0.threshold = 2 },
      { $0.options.compression = try? CompressionPlan(stages: []) },
    ] { #expect(throws: StreamError.self) { _ = try VideoSession(pipeline, Self.settings(change)) } }
    #expect(throws: PromptError.self) { _ = try VideoSession(Self.pipeline("tiny"), Self.settings()) }
    #expect(throws: StreamError.self) {
      var short = try VideoSession(Self.pipeline("tiny-onevision", context: 40), Self.settings())
      try short.push(frame, at: 0)
    }
  }

  /// No more comes out than came in, whenever it is asked for.
  @Test func bucketsHoldWhatComesIn() {
    var random = SplitMix64(seed: 7)
    for _ in 0..<200 {
      let (rate, burst) = (Double.random(in: 0...50, using: &random), Double.random(in: 0...100, using: &random))
      var bucket = TokenBucket(perSecond: rate, burst: burst)
      var (time, taken, level) = (0.0, 0, burst)
      for step in 0..<50 {
        let pause = Double.random(in: 0...2, using: &random)
        if step > 0 { (time, level) = (time + pause, min(burst, level + pause * rate)) }
        let available = bucket.available(at: time)
        #expect(abs(Double(available) - level) < 1.0001 && Double(available) <= level + 1e-5)
        let tokens = Int.random(in: 0...available, using: &random)
        bucket.take(tokens)
        (taken, level) = (taken + tokens, level - Double(tokens))
        #expect(Double(taken) <= burst + rate * time + 1e-5)
      }
    }
  }

  /// Late frames are dropped and counted, and questions are asked between the frames of their time.
  @Test func theClockSetsThePace() throws {
    let scratch = try Scratch()
    let film = scratch.url.appending(path: "film.mkv")
    var made = MadeVideo(frames: 40, fps: 4)
    (made.width, made.height) = (112, 56)
    try made.write(to: film)
    let pipeline = try Self.pipeline("tiny-onevision", layers: 1)
    final class Time: Sendable {
      let value = Mutex(0.0)
      func add(_ seconds: Double) { value.withLock { $0 += seconds } }
    }
    let time = Time()
    let clock = StreamRun.Clock(
      now: { time.value.withLock { $0 } }, wait: { until in time.value.withLock { $0 = max($0, until) } })
    var session = try VideoSession(pipeline, Self.settings())
    let run = StreamRun([.init("Late?", at: 99), .init("What?", at: 3)], pace: .clock(most: 1), clock: clock)
    var (seen, asked) = ([Double](), [(String, Double?)]())
    let counts = try run.run(FrameStream(contentsOf: film, fps: 4), &session) { event in
      switch event {
      case .frame(let seconds, _):
        seen.append(seconds)
        // A frame takes longer than there is until the next one.
        time.add(0.6)
      case .question(let question): asked.append((question.text, seen.last))
      default: break
      }
    }
    // The same by arithmetic.
    var (now, expected, lags) = (0.0, [Double](), [Double]())
    for due in (0..<40).map({ Double($0) / 4 }) where now - due <= 1 {
      now = max(now, due)
      lags.append(now - due)
      expected.append(due)
      now += 0.6
    }
    #expect(seen == expected && counts.droppedFrames == 40 - expected.count && expected.count < 30)
    #expect(abs(counts.maxLag - (lags.max() ?? 0)) < 1e-9)
    #expect(abs(counts.meanLag - lags.reduce(0, +) / Double(lags.count)) < 1e-9)
    #expect(asked.map(\.0) == ["What?", "Late?"] && asked[0].1 == expected.last { $0 <= 3 } && asked[1].1 == expected.last)
    // Without a clock all are seen.
    var free = try VideoSession(pipeline, Self.settings())
    let none = try StreamRun([], pace: .free).run(FrameStream(contentsOf: film, fps: 4), &free) { _ in }
    #expect(none == StreamRun.Counts() && free.report.frames == 40)
  }
}
