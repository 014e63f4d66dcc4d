import Torch

/// Chooses among the tokens of frames that come one by one: those that differ most from the frame before, no more than may stay.
///
/// The measure is DTD's (``DTD``): 1 - cosine of a token with the one at its place one frame earlier, frames compared whole, as they come to
/// the decoder.
public struct FrameRation: Sendable {
  /// Tokens with a larger cosine go, however many may stay; nil to let the number alone decide.
  public let threshold: Double?
  /// The frame before, its rows at length 1.
  private var before: Tensor?

  /// A choice that has seen no frame.
  ///
  /// - Throws: `CompressionError.badOption` for a threshold outside of -1...1.
  public init(threshold: Double? = nil) throws { self.threshold = try DTD(threshold: threshold).threshold }

  /// The tokens that stay of the next frame, ascending.
  ///
  /// Of the first frame, and of one with another number of tokens than the one before, as many as may stay, evenly by their number.
  /// - Parameters:
  ///   - rows: all its tokens at the decoder's input, [tokens, hiddenSize].
  ///   - most: how many may stay.
  /// - Throws: `CompressionError.notFinite`, `TorchError`.
  public mutating func kept(of rows: Tensor, most: Int) throws -> [Int] {
    let units = try rows.unitRows()
    defer { before = units }
    let all = Array(0..<rows.size(0))
    let count = min(all.count, max(0, most))
    guard let before, before.size(0) == units.size(0) else { return FrameChange.evenly(count, of: all) }
    let frame = FrameChange(change: try FrameChange.between(before, units), frames: all.map { _ in 1 })
    let changed = threshold.map { limit in all.filter { (frame.change[$0] ?? 0) >= Float(1 - limit) } } ?? all
    return frame.most(count, of: changed).sorted()
  }
}
