import Compression
import DequeModule
import Imaging
import Language
import Torch

/// A video that comes frame by frame, of any length, about which questions can be asked at any time.
///
/// 1. Each frame goes through the tower when it comes. Of its tokens those stay that differ most from the frame before (`FrameRation`), as
///    many as a token bucket has saved up (``TokenBucket``); the decoder reads them behind what it has read.
/// 2. Frames older than a window leave the cache. What was in front of the video stays, and the video's first tokens if so wanted, as
///    attention falls apart without the beginning (StreamingLLM, arXiv 2309.17453).
/// 3. A question is answered from a copy of the cache, which is then let go: neither question nor answer is part of the stream.
///
/// With all tokens and a window that is long enough, answers are those that the model gives to the video as a file of the same frames.
///
///     var session = try VideoSession(pipeline, settings)
///     try session.push(frame, at: 0.5)
///     let answer = try session.answer("What happens?")
public struct VideoSession: Sendable {
  /// The pipeline that answers.
  public let pipeline: LLaVAPipeline
  /// How frames are looked at.
  public let settings: StreamSettings
  /// What was done so far.
  public private(set) var report = StreamReport()

  /// Frames in the cache, of which some tokens are there, oldest first.
  private struct Held {
    var seconds: Double
    var rows: Int
    /// Where it begins on the first axis of positions.
    var begin: Int
  }

  private let videos: VideoPreparer
  private let rules: VideoRules
  /// Ids in front of the video.
  private let opening: [Int]
  private var cache: KeyValueCache?
  private var held = Deque<Held>()
  /// Rows that are never forgotten, and the position behind them.
  private var sinkRows: Int
  private var sinkEnd: Int
  private var ration: FrameRation
  private var bucket: TokenBucket?
  /// Frames that wait for the rest of their group.
  private var waiting: [(seconds: Double, view: Tensor)] = []
  private var groups = 0
  private var firstSeconds: Double?
  private var lastSeconds: Double?
  /// What stands behind all frames of a video, [rows, hiddenSize].
  private var ending: Tensor?
  /// How far positions were moved towards the beginning.
  private var moved = 0
  /// Where text goes on behind the last frame.
  private var nextPosition: Int

  /// A stream that has not begun.
  ///
  /// - Throws: `StreamError.setting`; `PromptError.noVideos` for a model that takes none; `LanguageError`, `TorchError`.
  public init(_ pipeline: LLaVAPipeline, _ settings: StreamSettings = StreamSettings()) throws {
    try settings.validate()
    let configuration = pipeline.model.configuration
    guard let videos = pipeline.videos, let rules = configuration.family.video else {
      throw PromptError.noVideos(type: configuration.family.type)
    }
    (self.pipeline, self.settings, self.videos, self.rules) = (pipeline, settings, videos, rules)
    ration = try FrameRation(threshold: settings.threshold)
    opening = try Self.parts("", pipeline).opening
    cache = try pipeline.model.newCache()
    (sinkRows, sinkEnd, nextPosition) = (opening.count, opening.count, opening.count)
    if !opening.isEmpty { try inference { try read(pipeline.model.splice([opening], [[]])) } }
  }

  /// Shows a frame.
  ///
  /// Models that see several frames at once wait until these have come.
  /// - Parameters:
  ///   - image: of the same shape as the others.
  ///   - seconds: when it is shown, later than the one before.
  /// - Returns: its visual tokens, and how many of them were read; nil while it waits for the next one.
  /// - Throws: `StreamError`, `ImagingError`, `CompressionError`, `TorchError`.
  @discardableResult public mutating func push(_ image: RGBImage, at seconds: Double) throws -> (tokens: Int, kept: Int)? {
    guard seconds.isFinite, lastSeconds.map({ seconds > $0 }) ?? true else {
      throw StreamError.time(seconds: seconds, last: lastSeconds ?? 0)
    }
    waiting.append((seconds, try videos.frames(image)))
    (lastSeconds, firstSeconds) = (seconds, firstSeconds ?? seconds)
    report.frames += 1
    report.seconds = seconds - (firstSeconds ?? seconds)
    if waiting.count < rules.multiple { return nil }
    let group = waiting
    waiting = []
    return try inference { try read(group, height: image.height, width: image.width) }
  }

  /// Answers a question about what the cache holds now, handing out text as it comes.
  ///
  /// - Parameters:
  ///   - stopStrings: end the answer beside those of the template.
  ///   - receive: is given each piece of text; returns false to end the answer.
  /// - Throws: `StreamError`, and as `LLaVAPipeline.answer`.
  public func answer(_ question: String, stopStrings: [String] = [], receive: (String) -> Bool = { _ in true }) throws -> Answer {
    guard groups > 0 else { throw StreamError.noFrames }
    guard var copy = cache else { throw StreamError.ended }
    let (before, after) = try Self.parts(question, pipeline)
    if before != opening { throw StreamError.template }
    copy.nextPosition = nextPosition
    var used: KeyValueCache? = try inference {
      guard let ending, ending.size(0) > 0 else { return copy }
      var caches = [copy]
      let rows = PackedBatch(
        hidden: ending, positions: try positions(nextPosition..<nextPosition + ending.size(0)), lengths: [ending.size(0)])
      _ = try run(rows, &caches)
      caches[0].nextPosition = nextPosition + ending.size(0)
      return caches[0]
    }
    return try pipeline.answer(
      GenerationRequest(ids: after), settings.options, stopStrings: stopStrings, cache: &used, receive: receive)
  }
}

extension VideoSession {
  /// The ids in front of a video and those behind it.
  private static func parts(_ question: String, _ pipeline: LLaVAPipeline) throws -> (opening: [Int], rest: [Int]) {
    let turns = [Turn(.user, LLaVAPipeline.withImageTags(question, images: 1)), Turn(.assistant, "")]
    let ids = try encodeWithImages(pipeline.template.prompt(for: turns), tokenizer: pipeline.tokenizer)
    guard let place = ids.firstIndex(of: imagePlaceholderID) else { throw StreamError.template }
    return (Array(ids[..<place]), Array(ids[(place + 1)...]))
  }

  /// Reads the frames of a group, as far as they are rationed.
  private mutating func read(
    _ group: [(seconds: Double, view: Tensor)], height: Int, width: Int
  ) throws -> (tokens: Int, kept: Int) {
    let model = pipeline.model
    let (seconds, first) = (group[0].seconds, firstSeconds ?? group[0].seconds)
    let pixels = try videos.frames.video(group.map(\.view), height: height, width: width, 0)
    let segment = try model.encode([PictureRequest(ids: [], pictures: [pixels])])[0][0]
    let tokens = segment.layout.counted
    ending = try segment.rows.narrow(0, from: tokens, length: segment.rows.size(0) - tokens)
    let rows = try segment.rows.narrow(0, from: 0, length: tokens)
    var own = bucket
    if own == nil, let rate = settings.tokensPerSecond {
      own = TokenBucket(perSecond: rate, burst: settings.burst ?? Double(tokens))
    }
    let kept = try ration.kept(of: rows, most: own?.available(at: seconds) ?? tokens)
    own?.take(kept.count)
    bucket = own

    let axes = model.configuration.text.positionAxes
    let places =
      try axes == 1
      ? Tensor.arange(0, tokens, on: rows.device).unsqueezed(0)
      : segment.places ?? .zeros([axes, tokens], .int64, on: rows.device)
    // On the first axis frames follow one another; on the others they lie over each other.
    let extent = try 1 + (places.selected(0, 0).array(Int.self).max() ?? 0)
    let others = axes == 1 ? 0 : segment.positions
    var begin =
      opening.count + rules.begin(StreamedGroup(number: groups, seconds: seconds - first, tokens: tokens), model.configuration)
      - moved
    try forget(before: seconds - settings.window)
    begin -= try makeRoom(from: begin, extent: max(extent, others))
    if !kept.isEmpty {
      let indices = try Tensor(kept, on: rows.device)
      let offsets = try Tensor([begin] + Array(repeating: opening.count, count: axes - 1), [axes, 1], on: rows.device)
      try read(
        PackedBatch(
          hidden: rows.rows(indices),
          positions: Positions(rotary: places.rows(indices, 1) + offsets, next: [begin + extent]), lengths: [kept.count]))
      let sunk = min(kept.count, max(0, settings.sink - (sinkRows - opening.count)))
      sinkRows += sunk
      if sunk > 0 { sinkEnd = begin + extent }
      if sunk < kept.count { held.append(Held(seconds: seconds, rows: kept.count - sunk, begin: begin)) }
    }
    nextPosition = max(nextPosition, begin + extent, opening.count + others)
    groups += 1
    report.tokens += tokens
    report.keptTokens += kept.count
    note()
    return (tokens, kept.count)
  }

  /// Appends rows to the cache.
  private mutating func read(_ rows: PackedBatch) throws {
    guard let own = cache.take() else { throw StreamError.ended }
    var caches = [own]
    _ = try run(rows, &caches)
    cache = caches[0]
    cache?.nextPosition = rows.positions.next[0]
  }

  /// Rows through all layers, for what they leave in the cache.
  private func run(_ rows: PackedBatch, _ caches: inout [KeyValueCache]) throws -> PackedBatch {
    let decoder = pipeline.model.decoder
    return try decoder.run(layers: 0..<decoder.configuration.layers, rows, caches: &caches, only: rows.lastRows)
  }

  private func positions(_ range: Range<Int>) throws -> Positions {
    try Positions(
      Tensor(Array(range), on: pipeline.model.device), axes: pipeline.model.configuration.text.positionAxes,
      next: [range.upperBound])
  }

  private mutating func note() {
    report.cachedTokens = cache?.count(layer: 0) ?? 0
    report.kvCacheBytes = cache?.usedByteCount ?? 0
  }
}

extension VideoSession {
  /// Lets go what came before a time.
  private mutating func forget(before seconds: Double) throws {
    var rows = 0
    while let first = held.first, first.seconds < seconds {
      rows += first.rows
      held.removeFirst()
    }
    try forget(rows)
  }

  /// Lets go the oldest rows behind those that stay for good.
  private mutating func forget(_ rows: Int) throws {
    if rows == 0 { return }
    guard var own = cache.take() else { throw StreamError.ended }
    try own.forget(sinkRows..<sinkRows + rows)
    cache = own
    report.forgottenTokens += rows
  }

  /// Moves what is held towards the beginning where the settings or the end of the context ask for it, and lets go what does not fit.
  ///
  /// - Parameters:
  ///   - begin: where the next frames would begin.
  ///   - extent: positions that they take.
  /// - Returns: how far the next frames move with them.
  private mutating func makeRoom(from begin: Int, extent: Int) throws -> Int {
    let maximum = pipeline.model.configuration.text.maximumPositions
    // A question and its answer have to fit behind.
    let end = maximum - min(maximum / 2, settings.options.maximumNewTokens + 256)
    if sinkEnd + extent > end { throw StreamError.tooLong(tokens: extent, maximum: maximum) }
    var distance = 0
    while true {
      let isFull = begin - distance + extent > end
      guard isFull || settings.positions == .moved else { break }
      let gap = (held.first?.begin ?? begin - distance) - sinkEnd
      if gap > 0 {
        try move(by: gap)
        distance += gap
      }
      guard begin - distance + extent > end, let oldest = held.first else { break }
      held.removeFirst()
      try forget(oldest.rows)
    }
    return distance
  }

  /// Turns the keys of what is held to positions nearer to the beginning.
  private mutating func move(by distance: Int) throws {
    guard var own = cache.take() else { throw StreamError.ended }
    let model = pipeline.model
    let axes = model.configuration.text.positionAxes
    if !held.isEmpty {
      try own.forget(sinkRows..<sinkRows) { keys in
        try model.decoder.moving(keys, by: [-distance] + Array(repeating: 0, count: axes - 1))
      }
    }
    cache = own
    for index in held.indices { held[index].begin -= distance }
    moved += distance
    nextPosition -= distance
  }
}
