import Audio
import ChatProtocol
import Engine
import Fetching
import Foundation
import Imaging
import LLaVA
import Language
import Synchronization
import Video

/// From the body of a request to an answer that is being written.
final class ChatService: Sendable {
  let model: ServedModel
  let engine: Engine
  let metrics: ServerMetrics
  private let options: ServerOptions
  private let fetcher: PictureFetcher
  private let budgets: BudgetChooser
  /// Reads bodies and tokenizes prompts, which can take a while for long ones.
  private let readers: WorkPool

  init(_ model: ServedModel, _ engine: Engine, _ fetcher: PictureFetcher, _ options: ServerOptions) {
    (self.model, self.engine, self.fetcher, self.options) = (model, engine, fetcher, options)
    metrics = ServerMetrics(model: model.name)
    budgets = BudgetChooser(model, engine, targetTTFT: options.targetTTFT)
    readers = WorkPool(threads: 2, name: "readers")
  }

  /// Longest side of a picture, in pixels.
  private static let maximumSide = 16_384

  /// What a request may ask for.
  var limits: RequestLimits {
    var limits = RequestLimits(contextLength: model.pipeline.model.configuration.text.maximumPositions)
    limits.maximumPictures = options.maximumPictures
    return limits
  }

  /// A request and its prompt, checked as far as it can be without its pictures.
  func read(_ body: [UInt8]) async throws -> (ChatRequest, ChatPrompt) {
    try await readers.run { [self] in
      let chat = try ChatRequest(body, limits)
      try requireModel(chat.model)
      for picture in chat.pictures {
        if let reason = model.refusal(of: picture.medium) {
          throw APIError.unsupported(picture.path, "\(picture.path) is \(picture.medium.noun), and \(reason)")
        }
        do { try fetcher.check(picture.url) } catch { throw APIError(error, picture: picture.path) }
      }
      return (chat, try ChatPrompt(chat.messages, model.pipeline))
    }
  }

  /// Does work that may take the processor for long.
  func reading<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R { try await readers.run(body) }

  func requireModel(_ name: String?) throws {
    if let name, name != model.name {
      throw APIError(
        404, code: "model_not_found", param: "model", "there is no model \"\(name.shortened(80))\" here; there is \(model.name)")
    }
  }

  /// Starts an answer: budgets, fetching, a turn and memory, decoding, and then the engine.
  ///
  /// - Throws: `APIError` and what else keeps it from being answered; `CancellationError`.
  func start(_ chat: ChatRequest, _ prompt: ChatPrompt, id: String, _ pass: Admission.Pass) async throws -> ChatSession {
    let chosen = try budgets.choose(chat, prompt.pictures, text: prompt.textCount)
    let plan = try chosen.areAverages ? model.plan(average: chosen.counts[0]) : model.plan(chosen.counts)
    let context = model.pipeline.model.configuration.text.maximumPositions
    let tokens = try prompt.textCount + model.positions(plan, prompt.pictures, frames: options.sampling.maximumFrames)
    if tokens >= context {
      throw APIError(
        400, code: "context_length_exceeded", param: "messages",
        "the prompt takes \(tokens) tokens, pictures included, of a context of \(context); shorten it or show fewer pictures")
    }
    let newTokens = min(chat.maximumNewTokens ?? options.defaultNewTokens, context - tokens)
    let files = try await fetch(prompt.pictures)
    let most = model.tokens(prompt.pictures, frames: options.sampling.maximumFrames)
    // A picture may need all of its tokens, whatever the average.
    let bytes = try engine.bytes(
      text: prompt.textCount, pictures: prompt.pictures.count, most: most, plan: chosen.areAverages ? nil : plan,
      newTokens: newTokens)
    try await engine.admission.wait(pass, bytes: bytes)
    let pictures = try await prepare(files, prompt.pictures, keepsImages: chat.visualTokens?.returned == .overlay)
    var job = Job(ids: prompt.ids, pictures: pictures, options: sampling(chat, newTokens), stops: chat.stops)
    job.options.compression = plan
    job.promptLength = prompt.promptLength
    job.salt = chat.cacheSalt
    job.entry = chosen.entry
    metrics.note(budgets: chosen.counts)
    return ChatSession(self, chat, id: id, prompt, chosen, pictures, pass, engine.submit(job))
  }

  private func sampling(_ chat: ChatRequest, _ newTokens: Int) -> GenerationOptions {
    var options = GenerationOptions()
    options.maximumNewTokens = newTokens
    options.temperature = chat.temperature
    options.topP = chat.topP
    options.topK = chat.topK
    options.repetitionPenalty = chat.repetitionPenalty
    options.stopsAtEnd = !chat.ignoresEnd
    options.seed = chat.seed ?? (chat.temperature > 0 ? UInt64.random(in: 0...UInt64.max) : 0)
    return options
  }

  /// The files of pictures, a few at a time.
  private func fetch(_ pictures: [ImageReference]) async throws -> [[UInt8]] {
    try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      var found = [[UInt8]](repeating: [], count: pictures.count)
      for (index, picture) in pictures.enumerated() {
        if index >= 4, let (done, bytes) = try await group.next() { found[done] = bytes }
        group.addTask { [fetcher] in
          do {
            return (index, try await fetcher.bytes(picture.url, picture.medium.content))
          } catch let error as FetchError {
            throw APIError(error, picture: picture.path)
          }
        }
      }
      for try await (index, bytes) in group { found[index] = bytes }
      return found
    }
  }

  private func prepare(_ files: [[UInt8]], _ references: [ImageReference], keepsImages: Bool) async throws -> [PreparedImage] {
    var found: [PreparedImage] = []
    let isAlone = references.count { $0.medium == .image } == 1
    for (bytes, reference) in zip(files, references) {
      try Task.checkCancellation()
      found.append(
        try await engine.pictures.run { [model, options] in
          do {
            let videos = VideoLimits(
              maximumBytes: options.fetching.maximumVideoBytes, maximumPixels: options.maximumPixels,
              maximumSide: Self.maximumSide, maximumSeconds: options.maximumVideoSeconds)
            if reference.medium == .video, let preparer = model.pipeline.videos {
              return try PreparedImage(video: bytes, preparer, options.sampling, limits: videos)
            }
            if reference.medium == .audio, let audio = model.pipeline.model.configuration.audio {
              return try PreparedImage(sound: bytes, audio.spectrogram, limits: videos)
            }
            let limits = ImageLimits(maximumPixels: options.maximumPixels, maximumBytes: options.fetching.maximumBytes)
            let image = try RGBImage(data: bytes, name: "the picture", orientation: .honoured, limits: limits)
            // A very narrow picture is padded to a square whose rows are all gone through.
            let side = max(image.width, image.height)
            if side > Self.maximumSide {
              throw APIError(
                400, code: "image_too_large", param: reference.path + ".url",
                "the picture is \(image.width) x \(image.height) pixels, expected at most \(Self.maximumSide) along a side")
            }
            return try PreparedImage(
              image, model.pipeline.preprocessor, isAlone: isAlone, keepsImage: keepsImages)
          } catch let error as ImagingError {
            throw APIError(error, picture: reference.path)
          } catch let error as VideoError {
            throw APIError(error, picture: reference.path)
          } catch let error as AudioError {
            throw APIError(error, picture: reference.path)
          }
        })
    }
    return found
  }
}

extension Medium {
  /// What is fetched.
  fileprivate var content: FetchedContent {
    switch self {
    case .image: .picture
    case .video: .video
    case .audio: .sound
    }
  }
}
