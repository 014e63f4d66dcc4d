import Compression
import Torch

/// A prompt as far as it has been read: keys and values, rows that wait for the rest, stages that are still to come.
///
/// A value that any number of sequences can start from, as long as their prompts begin with the same rows and their plans and seeds are
/// the same.
public struct PromptPrefix: Sendable {
  /// Rows of the prompt that have been read.
  public let rows: Int
  let cache: KeyValueCache
  let stages: [Branch.Stage]
  let waiting: WaitingRows?
  let cuts: [GenerationResult.Cut]
  let keptVisualTokens: Int

  /// Bytes of the memory that it holds.
  public var byteCount: Int {
    let waiting = waiting.map { [$0.batch.hidden] + $0.queries.values + [$0.input?.rows].compactMap(\.self) } ?? []
    return cache.byteCount + waiting.reduce(0) { $0 + $1.count * $1.dtype.size }
  }
}

/// What a sequence need not compute, as it was computed before, and what of it is to be kept for others.
public struct SharedWork: Sendable {
  /// The pictures of the request at the decoder's input; nil to have them encoded.
  public var segments: [VisualSegment]?
  /// The beginning of the prompt; nil to begin with the first row.
  public var prefix: PromptPrefix?
  /// Rows after which a `PromptPrefix` is taken; nil for none.
  public var keptRows: Int?

  /// Nothing is shared unless it is named.
  public init(segments: [VisualSegment]? = nil, prefix: PromptPrefix? = nil, keptRows: Int? = nil) {
    (self.segments, self.prefix, self.keptRows) = (segments, prefix, keptRows)
  }
}
