import Compression
import Imaging
import LLaVA

/// Counts what a prefill costs from a model's configuration alone.
///
/// Two accountings. The true one counts what is computed; the paper's reproduces the figures that EPIC (arXiv 2510.00515, Table 2 and
/// Figure 5) publishes, which count other things: no tower, projector or head, text as if it were dropped in the same proportion as
/// the image, and a cache as short in the layers before the cut as in those after it.
///
/// Neither counts what is linear in the tokens and free of matrix products (norms, activations, rotary embedding, biases, a
/// compressor's choice), well below a percent together.
public struct CostModel: Sendable {
  /// What the model is.
  public let configuration: LLaVAConfiguration
  /// The picture or video that is counted; nil for a usual picture.
  public var picture: PictureShape?
  /// Bytes of an element of the cache; 2 for bfloat16 and float16.
  public var elementBytes = 2.0

  /// Text tokens with which the paper's accounting gives its published figures for LLaVA-1.5: 700.4 tokens less 576.
  public static let paperText = 124.4
  /// Text tokens of a POPE question in LLaVA's template, a usual benchmark prompt.
  public static let popeText = 63.0

  /// Costs of a model.
  public init(_ configuration: LLaVAConfiguration) { self.configuration = configuration }

  /// FLOPs of one decoder layer over `tokens` tokens, attention as a full square.
  ///
  /// F(n) = 2n · (weights of q, k, v, o and the MLP) + 4n² · heads · headDimension.
  public func decoderLayer(tokens n: Double) -> Double {
    let text = configuration.text
    let (width, head) = (Double(text.hiddenSize), Double(text.headDimension))
    let attention = 2 * width * head * Double(text.heads + text.keyValueHeads)
    let mlp = 3 * width * Double(text.intermediateSize)
    return 2 * n * (attention + mlp) + 4 * n * n * Double(text.heads) * head
  }

  /// Bytes of one token's keys and values in one layer.
  public var kvCacheBytesPerTokenAndLayer: Double {
    2 * Double(configuration.text.keyValueHeads * configuration.text.headDimension) * elementBytes
  }

  /// The true cost of one picture and `text` text tokens: all of them stay in every layer, and the head computes one position.
  ///
  /// - Parameter plan: what is dropped; nil for nothing.
  /// - Throws: `CompressionError` for a plan that does not fit the model.
  public func trueCost(text: Double, _ plan: CompressionPlan?) throws -> PrefillCost {
    let planned = try tokens(plan)
    let tokens = planned.decoder.map { text + Double($0) }
    return PrefillCost(
      tower: tower(planned), projector: projector(tokens: Double(planned.projector)),
      decoder: tokens.reduce(0) { $0 + decoderLayer(tokens: $1) },
      head: 2 * Double(configuration.text.hiddenSize * configuration.text.vocabularySize),
      kvCacheBytes: kvCacheBytesPerTokenAndLayer * tokens.reduce(0, +))
  }

  /// The cost as the paper counts it: K · F(N) + (L - K) · F(N · V' / V), and a cache of N · V' / V tokens, rounded up, in all layers.
  ///
  /// N is `text` + V. Without compression N is not rounded. A second cut continues the formula.
  ///
  /// - Throws: as `trueCost`.
  public func paperCost(text: Double = paperText, _ plan: CompressionPlan?) throws -> PrefillCost {
    let total = Double(configuration.layout(of: counted).count)
    let visual = try visualTokensOfLayers(plan).map(Double.init)
    let tokens = visual.map { (text + total) * $0 / total }
    let last = tokens.last ?? 0
    let cached = visual.last == total ? last : last.rounded(.up)
    return PrefillCost(
      decoder: tokens.reduce(0) { $0 + decoderLayer(tokens: $1) },
      kvCacheBytes: kvCacheBytesPerTokenAndLayer * Double(configuration.text.layers) * cached)
  }

  /// Visual tokens in each decoder layer.
  ///
  /// - Throws: as `trueCost`.
  public func visualTokensOfLayers(_ plan: CompressionPlan?) throws -> [Int] { try tokens(plan).decoder }

  /// Visual tokens wherever they cost something.
  private func tokens(_ plan: CompressionPlan?) throws -> PlannedTokens {
    try configuration.tokens(of: plan, picture: picture)
  }

  private var counted: PictureShape { picture ?? configuration.usualPicture }

  /// FLOPs of the layers of the tower that are computed, and of its patch embedding; a class token goes through all layers, and each view
  /// of a picture attends to itself alone.
  private func tower(_ planned: PlannedTokens) -> Double {
    if let windowed = configuration.windowed { return windowedTower(planned, windowed) }
    let vision = configuration.vision
    let (width, views) = (Double(vision.hiddenSize), Double(counted.views))
    let others = Double((vision.hasClassToken ? 1 : 0) + vision.patches - vision.tokens)
    let layers = planned.tower.reduce(0.0) { sum, visual in
      let tokens = Double(visual) / views + others
      let view = 2 * tokens * (4 * width * width + 2 * width * Double(vision.intermediateSize)) + 4 * tokens * tokens * width
      return sum + views * view
    }
    let patch = Double(vision.channels * vision.patchSize * vision.patchSize)
    return layers + 2 * Double(planned.patches) * patch * width
  }

  /// A tower of windows: attention within them but for some layers, and MLPs of three matrices; windows at edges count as whole ones.
  private func windowedTower(_ planned: PlannedTokens, _ windowed: WindowedVision) -> Double {
    let vision = configuration.vision
    let (width, tokens) = (Double(vision.hiddenSize), Double(planned.patches))
    let side = Double(windowed.windowSize / (vision.patchSize * windowed.mergeSize) * windowed.mergeSize)
    // No picture of a video looks at another one.
    let own = tokens / Double(max(1, configuration.layout(of: counted).grids.count))
    let products = 2 * tokens * (4 * width * width + 3 * width * Double(vision.intermediateSize))
    let layers = (0..<vision.layers).reduce(0.0) { sum, layer in
      let seen = windowed.fullAttentionLayers.contains(layer) ? own : min(own, side * side)
      return sum + products + 4 * tokens * seen * width
    }
    let patch = Double(vision.channels * vision.patchSize * vision.patchSize * windowed.temporalPatchSize)
    return layers + 2 * tokens * patch * width
  }

  private func projector(tokens: Double) -> Double {
    if let windowed = configuration.windowed {
      let cell = Double(configuration.vision.hiddenSize * windowed.mergeSize * windowed.mergeSize)
      return 2 * tokens * cell * (cell + Double(configuration.text.hiddenSize))
    }
    let (vision, width) = (Double(configuration.vision.hiddenSize), Double(configuration.text.hiddenSize))
    return 2 * tokens * (vision * width + Double(configuration.projector.layers - 1) * width * width)
  }
}
