import Compression
import Imaging

/// Everything that says what a LLaVA model is, apart from its weights.
public struct LLaVAConfiguration: Sendable, Equatable {
  /// The network between the tower and the decoder.
  public struct Projector: Sendable, Equatable, Encodable {
    /// Linear layers, with a GELU between two: 1 is `linear`, 2 is `mlp2x_gelu`.
    public var layers = 2
    /// Biases on the linear layers.
    public var bias = true

    /// A projector of `layers` linear layers.
    public init(layers: Int = 2, bias: Bool = true) {
      self.layers = layers
      self.bias = bias
    }

    /// The name that LLaVA's configuration uses.
    public var name: String { layers == 1 ? "linear" : "mlp\(layers)x_gelu" }
  }

  /// The vision tower.
  public var vision: VisionConfiguration
  /// The projector.
  public var projector = Projector()
  /// The decoder.
  public var text: TextConfiguration
  /// Token id that stands for an image in Hugging Face prompts; it is never embedded.
  public var imageTokenID: Int
  /// Start-of-text token.
  public var bosTokenID: Int? = 1
  /// Tokens that end an answer.
  public var eosTokenIDs: Set<Int> = [2]
  /// Padding token.
  public var padTokenID: Int? = 0
  /// How pictures that are not square are brought into a square.
  public var imageAspect = ImageAspect.pad

  /// A configuration of the three parts; the image token is the first id that the decoder has no meaning for.
  public init(vision: VisionConfiguration, text: TextConfiguration, imageTokenID: Int? = nil) {
    self.vision = vision
    self.text = text
    self.imageTokenID = imageTokenID ?? (text.vocabularySize > 32_000 ? 32_000 : text.vocabularySize)
  }

  /// Throws unless the numbers fit each other and are so small that no product of theirs overflows.
  ///
  /// - Parameters:
  ///   - file: what errors name as the origin of the numbers.
  ///   - textPrefix: what stands before the names of the decoder's fields there.
  /// - Throws: `ConfigurationError` naming the field.
  func validate(_ file: String, textPrefix: String = "text_config.") throws {
    try vision.validate(file)
    try text.validate(file, textPrefix)
    try requirePositive(["projector.layers": projector.layers], file, "", limit: 9)
  }
}

extension LLaVAConfiguration: Encodable {
  enum CodingKeys: CodingKey, CaseIterable {
    case vision, projector, text, imageTokenID, bosTokenID, eosTokenIDs, padTokenID, imageAspect
  }

  /// Encodes all fields, a set in order, so that equal configurations have equal bytes (``ModelFingerprint``).
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(vision, forKey: .vision)
    try fields.encode(projector, forKey: .projector)
    try fields.encode(text, forKey: .text)
    try fields.encode(imageTokenID, forKey: .imageTokenID)
    try fields.encodeIfPresent(bosTokenID, forKey: .bosTokenID)
    try fields.encode(eosTokenIDs.sorted(), forKey: .eosTokenIDs)
    try fields.encodeIfPresent(padTokenID, forKey: .padTokenID)
    try fields.encode(imageAspect, forKey: .imageAspect)
  }
}

extension LLaVAConfiguration {
  /// Names of the presets, small to large.
  public static let presetNames = ["tiny", "small", "base", "medium", "llava-1.5-7b", "llava-1.5-13b"]

  /// A configuration by name: the sizes that benchmarks and examples use.
  ///
  /// - Throws: `ConfigurationError.unknownPreset`, which lists the known ones.
  public static func preset(_ name: String) throws -> LLaVAConfiguration {
    func make(_ v: (Int, Int, Int, Int), _ t: (Int, Int, Int, Int, Int, Int), image: Int = 336) -> LLaVAConfiguration {
      LLaVAConfiguration(
        vision: VisionConfiguration(hiddenSize: v.0, layers: v.1, heads: v.2, intermediateSize: v.3, imageSize: image),
        text: TextConfiguration(
          hiddenSize: t.0, layers: t.1, heads: t.2, keyValueHeads: t.3, intermediateSize: t.4, vocabularySize: t.5))
    }
    switch name {
    case "tiny": return make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512), image: 56)
    case "small": return make((256, 6, 4, 1024), (512, 8, 8, 8, 1408, 32_000))
    case "base": return make((512, 8, 8, 2048), (768, 12, 12, 12, 2048, 32_000))
    case "medium": return make((768, 12, 12, 3072), (1024, 16, 16, 16, 2816, 32_000))
    case "llava-1.5-7b": return make((1024, 24, 16, 4096), (4096, 32, 32, 32, 11_008, 32_064))
    case "llava-1.5-13b": return make((1024, 24, 16, 4096), (5120, 40, 40, 40, 13_824, 32_064))
    default: throw ConfigurationError.unknownPreset(name, known: presetNames)
    }
  }
}

extension LLaVAConfiguration {
  /// Channels, height and width of a picture as the encoder takes it, in pixels.
  public var pictureShape: [Int] { [vision.channels, vision.imageSize, vision.imageSize] }

  /// The tokens of a picture, before anything is computed.
  public var pictureLayout: TokenLayout { TokenLayout(vision.grid) }

  /// What a plan makes of one picture; nil for all tokens.
  ///
  /// - Throws: `CompressionError` where the plan does not fit the model.
  public func tokens(of plan: CompressionPlan?) throws -> PlannedTokens {
    try CompressionPlan.tokens(plan, layout: pictureLayout, towerLayers: vision.computedLayers, layers: text.layers)
  }
}
