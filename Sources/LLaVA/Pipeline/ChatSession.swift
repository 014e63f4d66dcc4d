import Imaging
import Language
import Torch

/// A conversation about some pictures, whose earlier turns stay in the cache.
///
/// Each reply computes only what the cache does not hold yet: the tokens after the longest common beginning of the conversation as
/// it was and as it is now.
public struct ChatSession {
  /// The pipeline that answers.
  public let pipeline: LLaVAPipeline
  /// All complete turns.
  public private(set) var turns: [Turn] = []
  /// How answers are drawn.
  public var options: GenerationOptions

  private let pixels: Tensor?
  private let imageCount: Int
  private var cache: KeyValueCache?
  /// What the cache holds: ids, images as placeholders.
  private var cachedIDs: [Int] = []

  /// A conversation that has not begun.
  ///
  /// - Throws: `ImagingError` for a picture that cannot be prepared.
  public init(_ pipeline: LLaVAPipeline, images: [RGBImage], _ options: GenerationOptions = GenerationOptions()) throws {
    self.pipeline = pipeline
    self.options = options
    pixels = try pipeline.pixels(images)
    imageCount = images.count
  }

  /// Forgets all turns; the pictures stay.
  public mutating func reset() {
    turns = []
    cache = nil
    cachedIDs = []
  }

  /// Adds a user's turn and the answer to it, handing out text as it comes.
  ///
  /// An answer that `receive` ends early is part of the conversation as far as it came; where an error is thrown, neither turn is.
  ///
  /// - Parameter receive: is given each piece of text; returns false to end the answer.
  /// - Throws: as `LLaVAPipeline.answer`.
  public mutating func reply(to text: String, receive: (String) -> Bool = { _ in true }) throws -> Answer {
    let isFirst = turns.isEmpty
    let user = Turn(.user, isFirst ? LLaVAPipeline.withImageTags(text, images: imageCount) : text)
    var request = try pipeline.request(
      pipeline.template.prompt(for: turns + [user, Turn(.assistant, "")]), pixels: pixels)
    let whole = request.ids
    let (used, shared) = try reusable(whole)
    if shared > 0 {
      request.ids = Array(whole[shared...])
      request.pixels = nil
    }
    cache = nil
    let answer = try pipeline.answer(request, options, cache: used, receive: receive)
    cache = used
    // A last token that was chosen but has not passed through the decoder is not in the cache.
    cachedIDs = whole + answer.result.tokens.prefix(max(0, used.nextPosition - position(of: whole.count, in: whole)))
    turns += [user, Turn(.assistant, answer.text)]
    return answer
  }

  /// A cache that holds the longest beginning of `ids` that the last one shares with it, and that beginning's length.
  ///
  /// A copy of this session may go another way with the same cache, so one that is shared is left alone.
  private mutating func reusable(_ ids: [Int]) throws -> (KeyValueCache, Int) {
    if isKnownUniquelyReferenced(&cache), let cache, !cachedIDs.isEmpty {
      // At least one token must be computed, as the answer starts from its scores.
      let shared = min(zip(cachedIDs, ids).prefix { $0 == $1 }.count, ids.count - 1)
      let images = ids[..<shared].lazy.filter { $0 == imagePlaceholderID }.count
      if images == imageCount, cache.truncate(to: position(of: shared, in: ids)) { return (cache, shared) }
    }
    let text = pipeline.model.configuration.text
    let length = position(of: ids.count, in: ids)
    let capacity = min(text.maximumPositions, length + options.maximumNewTokens)
    return (try KeyValueCache(text, capacity: capacity, pipeline.model.dtype, on: pipeline.model.device), 0)
  }

  /// The position of the token at `index`: an image takes as many positions as it has visual tokens.
  private func position(of index: Int, in ids: [Int]) -> Int {
    let images = ids[..<index].lazy.filter { $0 == imagePlaceholderID }.count
    return index + images * (pipeline.model.configuration.vision.tokens - 1)
  }
}
