import Imaging

/// What a vision tower for pictures of any size has beside the usual numbers (Qwen2-VL and Qwen2.5-VL).
public struct WindowedVision: Sendable, Equatable, Encodable {
  /// Patches along a side of the cell that becomes one token.
  public var mergeSize: Int
  /// Frames of a patch; a picture is a film that stands still.
  public var temporalPatchSize: Int
  /// Side of a window, in pixels.
  public var windowSize: Int
  /// Layers that attend to the whole picture, by index; as in transformers, indices of no layer have no effect.
  public var fullAttentionLayers: [Int]
  /// Positions of a second of a film; nil where each of its grids takes one, whatever its time.
  public var tokensPerSecond: Int?
  /// What size a picture gets.
  public var resolution: NativeResolution
  /// The token before a picture.
  public var startTokenID: Int
  /// The token after a picture.
  public var endTokenID: Int
  /// Stands for a film in prompts.
  public var videoTokenID: Int
  /// How layers are made.
  public var block = Block.gated

  /// How the tower's layers are made.
  public enum Block: String, Sendable, Encodable {
    /// Root-mean-square norms and a gated MLP: Qwen2.5-VL.
    case gated
    /// Layer norms and an MLP of two layers: Qwen2-VL.
    case plain
  }

  /// Throws unless the numbers fit a tower and its decoder.
  ///
  /// - Throws: `ConfigurationError` naming the field.
  func validate(_ c: LLaVAConfiguration, _ file: String) throws {
    let prefix = "vision_config."
    func wrong(_ field: String, _ reason: String) -> ConfigurationError { .invalid(file: file, field: field, reason: reason) }
    // The names that these numbers have in this family's files.
    try requirePositive(
      [
        "hidden_size": c.vision.hiddenSize, "depth": c.vision.layers, "num_heads": c.vision.heads,
        "intermediate_size": c.vision.intermediateSize, "patch_size": c.vision.patchSize,
      ], file, prefix)
    try requirePositive(["spatial_merge_size": mergeSize, "temporal_patch_size": temporalPatchSize], file, prefix, limit: 64)
    try requirePositive(["window_size": windowSize, "tokens_per_second": tokensPerSecond ?? 1], file, prefix)
    if let fault = resolution.fault { throw wrong("size of the image processor", fault) }
    if resolution.multiple != c.vision.patchSize * mergeSize {
      throw wrong(prefix + "spatial_merge_size", "\(mergeSize) does not fit cells of \(resolution.multiple) pixels")
    }
    if windowSize < resolution.multiple {
      throw wrong(prefix + "window_size", "\(windowSize) is smaller than a cell of \(resolution.multiple) pixels")
    }
    if c.vision.channels != 3 {
      throw wrong(prefix + "in_channels", "is \(c.vision.channels); pictures have 3")
    }
    if c.vision.hiddenSize % (4 * c.vision.heads) != 0 {
      throw wrong(prefix + "num_heads", "\(c.vision.heads) gives heads whose width is no multiple of 4")
    }
    // The file has no field for another width.
    if c.text.headDimension != c.text.hiddenSize / max(1, c.text.heads) {
      throw wrong("head_dim", "\(c.text.headDimension) is not hidden_size / num_attention_heads")
    }
    for (name, id) in [("vision_start_token_id", startTokenID), ("vision_end_token_id", endTokenID)]
    where !(0..<c.text.vocabularySize).contains(id) {
      throw wrong(name, "\(id) is outside of the vocabulary of \(c.text.vocabularySize) entries")
    }
    let half = c.text.headDimension / 2
    guard let sections = c.text.ropeSections, sections.count == 3, sections.allSatisfy({ (0...max(0, half)).contains($0) }),
      sections.reduce(0, +) == half
    else {
      throw wrong(
        "rope_scaling.mrope_section",
        "is \(c.text.ropeSections ?? []), expected three numbers whose sum is half a head, \(c.text.headDimension / 2)")
    }
  }
}
