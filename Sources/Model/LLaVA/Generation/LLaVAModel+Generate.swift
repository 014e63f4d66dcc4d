import Compression
import Imaging
import Language
import Torch

/// One sample to be answered: its prompt and its images.
public struct GenerationRequest: Sendable {
  /// Token ids, images as `imagePlaceholderID`.
  public var ids: [Int]
  /// In the order of the placeholders.
  public var pictures: [PicturePixels]
  /// Ids that belong to the first prompt, where later ones are to have no say in which visual tokens are kept; nil for all.
  public var promptLength: Int?

  /// A prompt with its images.
  public init(ids: [Int], pictures: [PicturePixels] = [], promptLength: Int? = nil) {
    self.ids = ids
    self.pictures = pictures
    self.promptLength = promptLength
  }
}

/// Seconds that the stages of generation took, of the whole batch.
public struct GenerationTimings: Sendable, Equatable, Codable {
  /// Tower and projector.
  public var vision = 0.0
  /// The decoder over the prompts, up to the first new token.
  public var prefill = 0.0
  /// All further tokens.
  public var decode = 0.0
}

/// What one sample was answered.
public struct GenerationResult: Sendable, Equatable {
  /// Why an answer ended.
  public enum Finish: String, Sendable, Codable {
    /// An end-of-answer token, which is not part of `tokens`, or a stop string.
    case stop
    /// The longest answer allowed, or the end of the context.
    case length
    /// The receiver of tokens wanted no more.
    case cancelled
  }

  /// The new tokens.
  public var tokens: [Int] = []
  /// Why the answer ended.
  public var finish = Finish.length
  /// Tokens that the decoder was given, images included.
  public var promptTokens = 0
  /// The position that follows the prompt.
  public var promptEnd = 0
  /// Visual tokens of each image, before any was dropped or pooled.
  public var imageTokens: [Int] = []
  /// Visual tokens of all images, before any was dropped or pooled.
  public var visualTokens: Int { imageTokens.reduce(0, +) }
  /// Visual tokens that are left after the last cut, or after pooling.
  public var keptVisualTokens = 0
  /// What each cut left of each image.
  public var cuts: [Cut] = []
  /// Bytes of keys and values that all layers hold of the prompt, and of what the cache held before it.
  public var kvCacheBytes = 0

  /// What a cut left of the images of a sample.
  public struct Cut: Sendable, Equatable, Codable {
    /// Decoder layers before the cut.
    public var layer: Int
    /// For each image the indices of its tokens that are left, ascending.
    public var keptIndices: [[Int]]

    /// A cut and what it left.
    public init(layer: Int, keptIndices: [[Int]]) {
      self.layer = layer
      self.keptIndices = keptIndices
    }
  }
}

/// What the receiver of a token says about going on.
public enum GenerationStep: Sendable {
  /// Go on with this sample.
  case proceed
  /// This sample's answer is complete (a stop string was found).
  case stop
  /// End this sample's answer here because nobody wants more of it.
  case cancel
}

extension LLaVAModel {
  /// Answers a batch of prompts of any lengths, greedily or by sampling.
  ///
  /// - Parameters:
  ///   - requests: the samples; each may hold several images or none. Sample i starts its random numbers from `options.seed + i`.
  ///   - receive: is given each new token of a sample as it comes, end-of-answer tokens excepted.
  /// - Returns: the answers in order and the time that the stages took.
  /// - Throws: `GenerationError`, `PromptError`, `CompressionError`, `TorchError`, and what `receive` throws.
  public func generate(
    _ requests: [GenerationRequest], _ options: GenerationOptions = GenerationOptions(),
    receive: (_ sample: Int, _ token: Int) throws -> GenerationStep = { _, _ in .proceed }
  ) throws -> (results: [GenerationResult], timings: GenerationTimings) {
    var caches: [KeyValueCache]?
    return try generate(requests, options, caches: &caches, receive: receive)
  }

  /// The same from caches.
  ///
  /// - Parameter caches: one for each sample, to continue from; ids of a request continue what its cache holds. Nil makes them. Comes back
  ///   with what they hold in the end; the last token of an answer has not passed through the decoder. Is nil where an error is thrown.
  public func generate(
    _ requests: [GenerationRequest], _ options: GenerationOptions = GenerationOptions(), caches: inout [KeyValueCache]?,
    receive: (_ sample: Int, _ token: Int) throws -> GenerationStep = { _, _ in .proceed }
  ) throws -> (results: [GenerationResult], timings: GenerationTimings) {
    try options.validate()
    if let caches, caches.count != requests.count {
      throw GenerationError.cacheCount(caches: caches.count, samples: requests.count)
    }
    var scheduler = Scheduler(self)
    var given = caches.take()?[...]
    let ids = requests.enumerated().map { sample, request in
      var own = options
      own.seed &+= UInt64(sample)
      return scheduler.add(request, own, cache: given?.popFirst())
    }
    given = nil
    while !scheduler.isIdle {
      for event in try scheduler.step() {
        switch event {
        case .failed(_, let error): throw error
        case .finished: break
        case .token(let id, let token):
          switch try receive(id - ids[0], token) {
          case .proceed: break
          case .stop: scheduler.end(id, .stop)
          case .cancel: scheduler.end(id, .cancelled)
          }
        }
      }
    }
    let timings = scheduler.timings
    let ends = ids.compactMap { scheduler.remove($0) }
    caches = ends.compactMap(\.cache)
    return (ends.map(\.result), timings)
  }

  /// Whether a request fits the model, before its pictures are looked at.
  ///
  /// - Throws: `PromptError`.
  func check(_ request: GenerationRequest, past: Int = 0) throws {
    let images = request.pictures.count
    try SplicePlan.check(request.ids, images, configuration.text.vocabularySize)
    let tokens = past + request.ids.count - images
    if tokens >= configuration.text.maximumPositions {
      let visual = layouts(of: request.pictures).tokens
      throw PromptError.tooLong(tokens: tokens + visual, maximum: configuration.text.maximumPositions)
    }
  }
}
