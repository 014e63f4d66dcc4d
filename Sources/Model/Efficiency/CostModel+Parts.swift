import Compression
import LLaVA

/// FLOPs of the parts of a forward pass, for whoever puts them together otherwise than a prefill does.
extension CostModel {
  /// Products of one decoder layer for each token: those that make keys and values, and all others.
  public var decoderLayerProducts: (keysAndValues: Double, others: Double) {
    let text = configuration.text
    let (width, head) = (Double(text.hiddenSize), Double(text.headDimension))
    let (keyValue, query) = (2 * width * head * Double(text.keyValueHeads), 2 * width * head * Double(text.heads))
    return (2 * keyValue, 2 * (query + 3 * width * Double(text.intermediateSize)))
  }

  /// Attention of one decoder layer, as a full rectangle of `queries` by `keys`.
  public func attention(queries: Double, keys: Double) -> Double {
    4 * queries * keys * Double(configuration.text.heads * configuration.text.headDimension)
  }

  /// Logits of one position.
  public var logits: Double { 2 * Double(configuration.text.hiddenSize * configuration.text.vocabularySize) }

  /// The tower on one picture, and the projector behind it.
  ///
  /// - Parameter plan: what is dropped before the decoder; nil for nothing.
  /// - Throws: `CompressionError` for a plan that does not fit the model.
  public func encoder(_ plan: CompressionPlan?) throws -> (tower: Double, projector: Double) {
    let cost = try trueCost(text: 0, plan)
    return (cost.tower, cost.projector)
  }
}
