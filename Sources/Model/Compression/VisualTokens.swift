import Torch

/// One image at a cut: its tokens, and what a strategy can look at to choose among them.
public struct VisualTokens {
  /// The sample that the image belongs to; what is asked of it is computed then, once for all images.
  public let sample: DecoderRows
  /// The sample's rows that hold the image's tokens now.
  public let span: Range<Int>
  /// Where the tokens lie in the image, [count] int64 indices into `grid`; nil while all are there.
  public let patches: Tensor?
  /// The image's tokens before any was dropped.
  public let grid: TokenGrid
  /// The sample's rows that hold images now, this one's included.
  let visual: [Range<Int>]
  /// Rows before the answer to the prompt that the image belongs to.
  let promptEnd: Int

  /// An image at a cut.
  ///
  /// - Parameters:
  ///   - visual: rows of all images of the sample.
  ///   - promptEnd: the first row after the image that belongs to an answer, or the number of rows.
  public init(
    sample: DecoderRows, span: Range<Int>, visual: [Range<Int>], promptEnd: Int, patches: Tensor? = nil, grid: TokenGrid
  ) {
    self.sample = sample
    self.span = span
    self.visual = visual
    self.promptEnd = promptEnd
    self.patches = patches
    self.grid = grid
  }

  /// Tokens of the image now.
  public var count: Int { span.count }
  /// Where they are.
  public var device: Device { sample.hidden.device }

  /// The tokens as the layer before the cut left them, [count, hiddenSize].
  public func hidden() throws -> Tensor { try sample.hidden.narrow(0, from: span.lowerBound, length: count) }

  /// L1 norms of the tokens' keys in the layer before the cut, [count] float32.
  public func keyNorms() throws -> Tensor { try sample.keyNorms().narrow(0, from: span.lowerBound, length: count) }

  /// What the prompt's last row pays to each token in the layer before the cut: [count] float32, softmax over all that it sees,
  /// mean over heads.
  public func attention(_ semantics: CompressionSemantics = .corrected) throws -> Tensor {
    let row = semantics == .corrected ? promptEnd - 1 : sample.count - 1
    return try sample.attention(of: row).narrow(0, from: span.lowerBound, length: count)
  }

  /// The sample's text rows that follow the image, ascending.
  ///
  /// Under `corrected` semantics only those of the prompt; where the prompt has none after the image, all of its text rows.
  public func textRows(_ semantics: CompressionSemantics = .corrected) -> [Int] {
    func text(_ rows: Range<Int>) -> [Int] { rows.filter { row in !visual.contains { $0.contains(row) } } }
    switch semantics {
    case .reference: return text(span.upperBound..<max(span.upperBound, sample.count))
    case .corrected:
      let after = text(span.upperBound..<max(span.upperBound, promptEnd))
      return after.isEmpty ? text(0..<promptEnd) : after
    }
  }
}
