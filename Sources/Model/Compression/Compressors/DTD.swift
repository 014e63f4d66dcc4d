import Torch

/// Drops of each frame of a video what is as it was in the frame before (Differential Token Drop of TimeChat-Online, arXiv 2504.17343).
///
/// 1. A token is compared with the token at its place in the frame before, by cosine of the decoder's inputs; dropped or not, as the
///    frames are compared whole.
/// 2. All tokens of the first frame stay. Of each other frame the same share stays: those that differ most; of equal ones the earlier
///    (`drop_absolute` false in the released code).
/// 3. With `threshold`, in the decoder, tokens stay whose cosine is not above it, however many these are (`drop_absolute` true): 0.5 in the
///    authors' evaluation, 0.25 in their demonstration. A plan's number is then what is planned, and the most that stays is what there is.
///
/// Each frame depends on the one before alone, so that frames could come one by one. The released code drops at the decoder's input, which
/// is `@features` here, and whose rows are looked at after any layer of the decoder; positions are kept. A picture has no frame before: its
/// tokens are taken evenly by number.
public struct DTD: TokenReducer {
  /// Tokens with a larger cosine go; nil for an equal share of each frame.
  public let threshold: Double?

  /// A compressor with or without a threshold.
  ///
  /// - Throws: `CompressionError.badOption` for a threshold outside of -1...1.
  public init(threshold: Double? = nil) throws {
    if let threshold, !(-1...1).contains(threshold) {
      throw CompressionError.badOption("threshold", value: "\(threshold)", expected: "a cosine, -1...1")
    }
    self.threshold = threshold
  }

  /// Behind the projector, or in the decoder; with a threshold the decoder alone, where numbers may be decided on.
  public var sites: [Site.Kind] { threshold == nil ? [.features, .decoder] : [.decoder] }

  /// The decoder's input.
  public var needs: ReducerNeeds { ReducerNeeds(input: true) }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// With a threshold.
  public var decidesBudgets: Bool { threshold != nil }

  /// As many as the threshold leaves, here and at all later stages.
  public func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    guard let threshold, let layer = choice.tokens.site.decoderLayer, choice.tokens.layout.isVideo else { return [:] }
    let frames = try change(choice.tokens)
    // Cosines above it go, so changes below 1 - threshold do.
    let count = frames.change.count { $0.map { $0 >= Float(1 - threshold) } ?? true }
    return Dictionary([(layer, count)] + later.map { ($0.layer, count) }) { first, _ in first }
  }

  /// What differs from the frame before.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let frames = try change(choice.tokens)
    let kept = threshold == nil ? Self.kept(choice.count, frames) : EVS.kept(choice.count, frames)
    return .keep(try Tensor(kept, on: choice.tokens.device))
  }

  /// Compared as they came to the decoder, those included that were dropped since.
  private func change(_ tokens: VisualTokens) throws -> FrameChange {
    guard tokens.site.decoderLayer != nil else { return try FrameChange(tokens, rows: tokens.hidden()) }
    return try FrameChange(tokens, input: tokens.inputTokens())
  }

  static func kept(_ count: Int, _ frames: FrameChange) -> [Int] {
    let new = frames.new
    if count <= new.count { return FrameChange.evenly(count, of: new) }
    let others = Dictionary(grouping: frames.change.indices.filter { frames.change[$0] != nil }) { frames.frames[$0] }
      .sorted { $0.key < $1.key }.map(\.value)
    let shares = TokenLayout.shares(count - new.count, of: others.map(\.count))
    return new + zip(others, shares).flatMap { frames.most($1, of: $0) }
  }
}
