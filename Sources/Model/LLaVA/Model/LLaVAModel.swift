import Compression
import Imaging
import Language
import Torch

/// A LLaVA model: vision tower, projector and decoder over one set of weights.
public struct LLaVAModel: Sendable {
  /// What the model is, apart from its weights.
  public let configuration: LLaVAConfiguration
  /// From pictures to decoder inputs.
  public let encoder: any VisualEncoder
  /// The language model.
  public private(set) var decoder: LlamaDecoder
  /// The single list of all weights.
  public let parameters: ParameterStore
  /// What low-rank adapters the decoder has.
  public let lora: LoRAOptions?
  /// How exactly keys and values of what it reads and writes are remembered.
  public var cachePrecision = CachePrecision.asModel
  /// Brings weights together that several processes hold in parts; nil where all are here.
  public var gathered: (any GatheredWeights)? { decoder.gathered }

  /// Builds the model by pulling every weight from a source.
  ///
  /// - Throws: `ConfigurationError` for numbers that do not fit each other; what the source throws for a weight that is missing or has
  ///   another shape.
  public init(_ configuration: LLaVAConfiguration, from source: any ParameterSource) throws {
    try self.init(configuration, from: source, lora: nil)
  }

  init(_ configuration: LLaVAConfiguration, from source: any ParameterSource, lora: LoRAOptions?) throws {
    try configuration.validate("the model's configuration")
    let root = ParameterScope(source, lora: lora)
    self.configuration = configuration
    self.lora = lora
    encoder = try configuration.family.encoder(root, configuration)
    decoder = try LlamaDecoder(root / "decoder", configuration.text)
    parameters = root.store
  }

  /// The same model over other tensors of equal shapes, which hold something only while `gathered` has brought it there.
  ///
  /// - Throws: what `tensor` throws; `TorchError` for a tensor of another shape.
  public func holding(_ gathered: any GatheredWeights, _ tensor: (Parameter) throws -> Tensor) throws -> LLaVAModel {
    let tensors = try parameters.parameters.map { ($0.name, try tensor($0)) }
    let source = GivenParameters(tensors: Dictionary(tensors) { first, _ in first })
    var model = try LLaVAModel(configuration, from: source, lora: lora)
    model.decoder.gathered = gathered
    return model
  }

  /// A weight, all of it, until another one is asked for.
  ///
  /// - Throws: what bringing it together throws.
  func whole(_ parameter: Parameter) throws -> Tensor {
    try gathered?.need(.weight(parameter.name))
    return parameter.tensor
  }

  /// Element type of the weights.
  public var dtype: DType { decoder.embedding.dtype }
  /// Where the weights are.
  public var device: Device { decoder.embedding.device }

  /// Decoder inputs for images of one view each, all tokens of them: pixels [images, channels, height, width] float32 to [images, tokens,
  /// hiddenSize].
  ///
  /// - Throws: `TorchError` for pixels of a wrong shape.
  public func visualTokens(_ pixels: Tensor) throws -> Tensor {
    try stack(encoder(PicturePixels.each(pixels.to(device)), [], EncoderContext()).map(\.rows))
  }

  /// Puts text and images together: every image placeholder of a prompt becomes the rows of the next image.
  ///
  /// - Parameters:
  ///   - prompts: token ids of each sample, images as `imagePlaceholderID`.
  ///   - segments: each sample's images, in the order of their placeholders.
  ///   - labels: for training, each sample's labels, as long as its ids; an image's rows are never supervised.
  ///   - promptLengths: ids of each sample that belong to its first prompt, where what follows is to have no say in which visual tokens
  ///     are kept; nil for all. Labels say the same for training.
  ///   - past: positions before each sample's first.
  /// - Throws: `PromptError` where placeholders and images differ in number, a prompt is empty, or an id is outside the vocabulary.
  public func splice(
    _ prompts: [[Int]], _ segments: [[VisualSegment]], labels: [[Int]]? = nil, promptLengths: [Int?]? = nil, past: [Int]? = nil
  ) throws -> PackedBatch {
    let plan = try SplicePlan(
      prompts, segments, vocabularySize: configuration.text.vocabularySize, labels, promptLengths, past)
    try gathered?.need(.embeddings)
    let embedded = try decoder.embedding.embedding(Tensor(plan.textIDs, on: device))
    // Split, as the gradients of pieces are put together in one pass.
    var text = try embedded.split(plan.pieces.compactMap { if case .text(let count) = $0 { count } else { nil } })[...]
    let pieces = plan.pieces.compactMap { piece in
      switch piece {
      case .text: text.popFirst()
      case .image(let sample, let image): segments[sample][image].rows
      }
    }
    return PackedBatch(
      hidden: try concatenate(pieces), positions: try plan.positions(segments, axes: configuration.text.positionAxes, on: device),
      lengths: plan.lengths,
      images: plan.images, labels: try plan.labels.map { try Tensor($0, on: device) })
  }

  /// The same for images of which all tokens are there: [tokens, hiddenSize] each.
  ///
  /// - Throws: as the other.
  public func splice(
    _ prompts: [[Int]], features: [[Tensor]], labels: [[Int]]? = nil, promptLengths: [Int?]? = nil
  ) throws -> PackedBatch {
    let segments = features.map { $0.map { VisualSegment(rows: $0, layout: configuration.pictureLayout) } }
    return try splice(prompts, segments, labels: labels, promptLengths: promptLengths)
  }

  /// Scores of every vocabulary entry for every row of a batch: [T, vocabularySize].
  public func logits(_ batch: PackedBatch) throws -> Tensor {
    let hidden = try decoder.run(layers: 0..<configuration.text.layers, batch).hidden
    try gathered?.need(.head)
    return try decoder.logits(hidden)
  }
}
