import Imaging
import Language
import Torch

/// A conversation about some pictures, whose earlier turns stay in the cache.
///
/// Each reply computes only what the cache does not hold yet: the tokens after the longest common beginning of the conversation as
/// it was and as it is now. With `options.compression` the first question decides which visual tokens stay for the whole conversation;
/// later turns work on the shortened cache.
public struct ChatSession {
  /// The pipeline that answers.
  public let pipeline: LLaVAPipeline
  /// All complete turns.
  public private(set) var turns: [Turn] = []
  /// How answers are drawn.
  public var options: GenerationOptions

  private let pictures: [PicturePixels]
  private var cache: KeyValueCache?
  /// What the cache holds: ids, images as placeholders.
  private var cachedIDs: [Int] = []
  /// Ids of the first prompt, by which visual tokens are chosen once and for all.
  private var firstPromptLength: Int?
  /// Positions that the images took when they were first read, beyond one for each.
  private var imagePositions = 0

  /// A conversation that has not begun.
  ///
  /// - Throws: `ImagingError` for a picture that cannot be prepared.
  public init(_ pipeline: LLaVAPipeline, images: [RGBImage], _ options: GenerationOptions = GenerationOptions()) throws {
    self.init(pipeline, pictures: try pipeline.pictures(images), options)
  }

  /// A conversation about pictures and videos that has not begun.
  public init(_ pipeline: LLaVAPipeline, pictures: [PicturePixels], _ options: GenerationOptions = GenerationOptions()) {
    self.pipeline = pipeline
    self.options = options
    self.pictures = pictures
  }

  /// Forgets all turns; the pictures stay.
  public mutating func reset() {
    turns = []
    cache = nil
    cachedIDs = []
    firstPromptLength = nil
    imagePositions = 0
  }

  /// Adds a user's turn and the answer to it, handing out text as it comes.
  ///
  /// An answer that `receive` ends early is part of the conversation as far as it came; where an error is thrown, neither turn is.
  ///
  /// - Parameter receive: is given each piece of text; returns false to end the answer.
  /// - Throws: as `LLaVAPipeline.answer`.
  public mutating func reply(to text: String, receive: (String) -> Bool = { _ in true }) throws -> Answer {
    let isFirst = turns.isEmpty
    let user = Turn(.user, isFirst ? LLaVAPipeline.withImageTags(text, images: pictures.count) : text)
    var request = try pipeline.request(
      pipeline.template.prompt(for: turns + [user, Turn(.assistant, "")]), pictures: pictures)
    let whole = request.ids
    var (used, shared) = reusable(whole)
    if shared > 0 {
      request.ids = Array(whole[shared...])
      request.pictures = []
    } else {
      request.promptLength = firstPromptLength
    }
    let answer = try pipeline.answer(request, options, cache: &used, receive: receive)
    // All images stand in the first turn.
    if shared == 0 { imagePositions = answer.result.promptEnd - whole.count }
    // A last token that was chosen but has not passed through the decoder is not in the cache.
    cachedIDs = whole + answer.result.tokens.prefix(max(0, (used?.nextPosition ?? 0) - answer.result.promptEnd))
    cache = used
    firstPromptLength = firstPromptLength ?? whole.count
    turns += [user, Turn(.assistant, answer.text)]
    return answer
  }

  /// The cache up to the longest beginning of `ids` that it shares with them, and that beginning's length; nil where it is of no use.
  private mutating func reusable(_ ids: [Int]) -> (KeyValueCache?, Int) {
    // At least one token must be computed, as the answer starts from its scores.
    let shared = min(zip(cachedIDs, ids).prefix { $0 == $1 }.count, ids.count - 1)
    let images = ids[..<shared].lazy.filter { $0 == imagePlaceholderID }.count
    guard images == pictures.count, var used = cache.take(), used.truncate(to: shared + imagePositions) else { return (nil, 0) }
    return (used, shared)
  }
}
