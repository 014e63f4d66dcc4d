import Compression

/// Shape of a vision tower and which of its outputs become visual tokens.
public struct VisionConfiguration: Sendable, Equatable, Encodable {
  /// Kinds of towers that take pictures of one size.
  public enum Tower: String, Sendable, CaseIterable, Encodable {
    /// A class token before the patches, and a normalisation before the first layer.
    case clip = "clip_vision_model"
    /// Patches alone, embedded with a bias.
    case siglip = "siglip_vision_model"
  }

  /// Non-linearity between the two linear layers of a tower's MLP.
  public enum Activation: String, Sendable, CaseIterable, Encodable {
    /// x·sigmoid(1.702·x), what OpenAI's CLIP was trained with.
    case quickGELU = "quick_gelu"
    /// The exact Gaussian error linear unit.
    case gelu
    /// The Gaussian error linear unit by the hyperbolic tangent, what SigLIP was trained with.
    case tanhGELU = "gelu_pytorch_tanh"
  }

  /// Which tokens of the selected layer are used.
  public enum FeatureSelection: String, Sendable, CaseIterable, Encodable {
    /// The patches alone; the class token is dropped.
    case patch = "default"
    /// All tokens, a class token included where the tower has one.
    case full
  }

  /// What kind of tower it is.
  public var tower: Tower {
    get { otherTower ?? .clip }
    set { otherTower = newValue == .clip ? nil : newValue }
  }
  /// Nil for CLIP, so that its configuration is written down as ever (``ModelFingerprint``).
  private var otherTower: Tower?
  /// Width of the tower.
  public var hiddenSize: Int
  /// Encoder layers in the checkpoint.
  public var layers: Int
  /// Attention heads.
  public var heads: Int
  /// Width inside the MLP.
  public var intermediateSize: Int
  /// Side of the square input, in pixels.
  public var imageSize: Int
  /// Side of a patch, in pixels.
  public var patchSize: Int
  /// Colour channels.
  public var channels = 3
  /// Added to the variance in layer normalisation.
  public var layerNormEpsilon = 1e-5
  /// Non-linearity of the MLP.
  public var activation = Activation.quickGELU
  /// Which hidden state is used: 0 is the input of the first layer, k the output of layer k, negative numbers count from the end
  /// (-1 the last layer's output).
  public var featureLayer = -2
  /// Which tokens of that hidden state are used.
  public var featureSelection = FeatureSelection.patch

  /// A tower with OpenAI CLIP's constants.
  public init(hiddenSize: Int, layers: Int, heads: Int, intermediateSize: Int, imageSize: Int = 336, patchSize: Int = 14) {
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.heads = heads
    self.intermediateSize = intermediateSize
    self.imageSize = imageSize
    self.patchSize = patchSize
  }

  /// Patches in a row or column of the image; 0 for sizes that no model has.
  public var gridSize: Int {
    (1...maximumSize).contains(patchSize) && (1...maximumSize).contains(imageSize) ? imageSize / patchSize : 0
  }
  /// Patches of an image.
  public var patches: Int { gridSize * gridSize }
  /// True where a class token stands before the patches.
  public var hasClassToken: Bool { tower == .clip }
  /// Visual tokens that a view of an image becomes.
  public var tokens: Int { grid.count }
  /// Where the visual tokens of a view lie in the image.
  public var grid: TokenGrid {
    TokenGrid(rows: gridSize, columns: gridSize, hasClassToken: hasClassToken && featureSelection == .full)
  }
  /// Encoder layers that must be computed for the selected feature layer.
  public var computedLayers: Int { featureLayer < 0 ? max(0, layers) + (1 + featureLayer) : featureLayer }

  /// Throws unless the numbers fit each other.
  ///
  /// - Throws: `ConfigurationError` naming the field.
  func validate(_ file: String) throws {
    try requirePositive(
      [
        "hidden_size": hiddenSize, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": intermediateSize,
        "image_size": imageSize, "patch_size": patchSize, "num_channels": channels,
      ], file, "vision_config.")
    try requireNumber(layerNormEpsilon, in: 0...1, file, "vision_config.layer_norm_eps")
    guard hiddenSize % heads == 0 else {
      throw ConfigurationError.invalid(
        file: file, field: "vision_config.hidden_size", reason: "\(hiddenSize) is not a multiple of num_attention_heads \(heads)")
    }
    guard imageSize >= patchSize else {
      throw ConfigurationError.invalid(
        file: file, field: "vision_config.image_size", reason: "\(imageSize) is smaller than patch_size \(patchSize)")
    }
    if !hasClassToken, featureSelection == .patch {
      throw ConfigurationError.invalid(
        file: file, field: "vision_feature_select_strategy",
        reason: "default drops the class token, and this tower has none; expected full")
    }
    guard (0...layers).contains(computedLayers) else {
      throw ConfigurationError.invalid(
        file: file, field: "vision_feature_layer", reason: "\(featureLayer) is outside \(-layers - 1)...\(layers)")
    }
  }
}
