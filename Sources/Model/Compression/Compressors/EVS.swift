import Torch

/// Keeps the first frame of a video, and of the others what differs most from the frame before (Efficient Video Sampling, arXiv 2510.14624,
/// by vLLM's rule).
///
/// 1. A token's change is 1 - cosine with the token at its place one frame earlier, of rows behind the projector, in float32.
/// 2. All tokens of the first frame stay, and of all others together those of the largest changes; of equal ones the earlier.
///
/// vLLM never leaves less than a frame. Where fewer are asked for here they are taken from the first frame, evenly by number; so are those of
/// a picture, which has no earlier frame.
public struct EVS: TokenReducer {
  /// A compressor without settings.
  public init() {}

  /// Behind the projector, or between layers of the decoder.
  public var sites: [Site.Kind] { [.features, .decoder] }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// What has changed most.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let frames = try FrameChange(choice.tokens, rows: choice.tokens.hidden())
    return .keep(try Tensor(Self.kept(choice.count, frames), on: choice.tokens.device))
  }

  static func kept(_ count: Int, _ frames: FrameChange) -> [Int] {
    let new = frames.new
    if count <= new.count { return FrameChange.evenly(count, of: new) }
    return new + frames.most(count - new.count, of: frames.change.indices.filter { frames.change[$0] != nil })
  }
}
