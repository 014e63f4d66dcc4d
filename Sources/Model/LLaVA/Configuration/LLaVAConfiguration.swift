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

  /// The kind of model.
  public var family = ModelFamily.llava
  /// The vision tower.
  public var vision: VisionConfiguration
  /// The projector.
  public var projector = Projector()
  /// The decoder.
  public var text: TextConfiguration
  /// Token id that stands for an image in Hugging Face prompts; it is never embedded.
  public var imageTokenID: Int
  /// Token id that stands for a video there, in families with one besides; it is never embedded.
  ///
  /// Nil for the id behind `imageTokenID`.
  public var videoTokenID: Int?
  /// Start-of-text token.
  public var bosTokenID: Int? = 1
  /// Tokens that end an answer.
  public var eosTokenIDs: Set<Int> = [2]
  /// Padding token.
  public var padTokenID: Int? = 0
  /// How pictures that are not square are brought into a square.
  public var imageAspect = ImageAspect.pad
  /// How large pictures are cut into tiles; nil for models that are shown pictures whole alone.
  public var tiling: PictureTiling?
  /// As many patches as this many tiles have are shown of a picture at most; nil for any number.
  public var tileLimit: Int?

  /// How frames of videos are pooled; nil for models that resample what the projector made of them, or take no videos.
  public var pooledVideo: PooledVideo?

  /// What a tower for pictures of any size has; nil for towers of one size.
  public var windowed: WindowedVision?

  /// What an encoder of sound has; nil for models that see.
  public var audio: AudioConfiguration?

  /// Where text goes on behind a video whose tokens have positions of time.
  public var textAfterVideo = TextAfterVideo.afterAllPositions

  /// Where text goes on behind a video whose tokens have positions of time.
  public enum TextAfterVideo: String, Sendable, Encodable {
    /// Behind the latest of its positions, of time too: as Qwen2.5-VL was trained, and as vLLM does.
    case afterAllPositions
    /// Behind its rows and columns alone: as transformers 5.23 does.
    case afterRowsAndColumns
  }

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
    try text.validate(file, textPrefix)
    try windowed?.validate(self, file)
    try audio?.validate(self, file)
    try vision.validate(file)
    try pooledVideo?.validate(self, file)
    try requirePositive(["projector.layers": projector.layers], file, "", limit: 9)
    guard let tiling else { return }
    if let fault = tiling.fault { throw ConfigurationError.invalid(file: file, field: "image_grid_pinpoints", reason: fault) }
    if tiling.side != vision.imageSize {
      throw ConfigurationError.invalid(
        file: file, field: "vision_config.image_size", reason: "\(vision.imageSize) differs from the tiles' \(tiling.side)")
    }
    if vision.grid.hasClassToken {
      throw ConfigurationError.invalid(
        file: file, field: "vision_feature_select_strategy", reason: "full has a class token in each tile; expected default")
    }
  }
}

extension LLaVAConfiguration: Encodable {
  enum CodingKeys: CodingKey, CaseIterable {
    case family, vision, projector, text, imageTokenID, videoTokenID, bosTokenID, eosTokenIDs, padTokenID, imageAspect, tiling,
      tileLimit, pooledVideo, windowed, audio, textAfterVideo
  }

  /// Encodes all fields, a set in order, so that equal configurations have equal bytes (``ModelFingerprint``).
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(vision, forKey: .vision)
    try fields.encode(projector, forKey: .projector)
    try fields.encode(text, forKey: .text)
    try fields.encode(imageTokenID, forKey: .imageTokenID)
    try fields.encodeIfPresent(videoTokenID, forKey: .videoTokenID)
    try fields.encodeIfPresent(bosTokenID, forKey: .bosTokenID)
    try fields.encode(eosTokenIDs.sorted(), forKey: .eosTokenIDs)
    try fields.encodeIfPresent(padTokenID, forKey: .padTokenID)
    try fields.encode(imageAspect, forKey: .imageAspect)
    if family != .llava { try fields.encode(family, forKey: .family) }
    try fields.encodeIfPresent(tiling, forKey: .tiling)
    try fields.encodeIfPresent(tileLimit, forKey: .tileLimit)
    try fields.encodeIfPresent(pooledVideo, forKey: .pooledVideo)
    try fields.encodeIfPresent(windowed, forKey: .windowed)
    try fields.encodeIfPresent(audio, forKey: .audio)
    if textAfterVideo != .afterAllPositions { try fields.encode(textAfterVideo, forKey: .textAfterVideo) }
  }
}

extension LLaVAConfiguration {
  /// Views, channels, height and width of a picture as the encoder takes it, in pixels.
  public func pixelShape(of picture: PictureShape) -> [Int] {
    [picture.views, vision.channels, picture.viewHeight, picture.viewWidth]
  }

  /// The tokens of a picture, before anything is computed.
  public func layout(of picture: PictureShape) -> TokenLayout { family.layout(self, picture) }

  /// True where pictures have tokens by their sizes.
  public var picturesVary: Bool { tiling != nil || windowed != nil || audio != nil }

  /// The picture that tables and estimates speak of where pictures vary: the only one of its sample, square, of a megapixel.
  ///
  /// Of sound its thousand columns are frames, 10 seconds as a rule.
  public var usualPicture: PictureShape { shape(height: 1000, width: 1000) }

  /// The shape of a picture as the encoder is given it.
  ///
  /// - Parameter isAlone: false where its sample has further pictures.
  public func shape(height: Int, width: Int, isAlone: Bool = true) -> PictureShape {
    var shape = PictureShape(height: height, width: width, views: 1, viewHeight: vision.imageSize, viewWidth: vision.imageSize)
    if let windowed {
      let size = windowed.resolution.size(height: height, width: width)
      (shape.viewHeight, shape.viewWidth) = (size.height, size.width)
    }
    if let audio { (shape.viewHeight, shape.viewWidth) = (audio.spectrogram.bands, 2 * audio.positions) }
    if let tiling { shape.views = tiling.views(height: height, width: width, isAlone: isAlone) }
    return shape
  }

  /// The tokens of a usual picture.
  public var pictureLayout: TokenLayout { layout(of: usualPicture) }

  /// The tokens of so many pictures of one sample, of usual sizes.
  public func layouts(of count: Int) -> [TokenLayout] {
    let usual = usualPicture
    let shape = shape(height: usual.height, width: usual.width, isAlone: count == 1)
    return Array(repeating: layout(of: shape), count: count)
  }

  /// Most tokens of any picture.
  ///
  /// - Parameter isAlone: false where its sample has further pictures.
  public func mostTokens(isAlone: Bool) -> Int {
    if let windowed { return windowed.resolution.mostCells }
    if let audio { return audio.tokens(frames: 2 * audio.positions) }
    guard let tiling, isAlone || !tiling.onlyAlone else { return layout(of: shape(height: 1, width: 1, isAlone: false)).count }
    return TiledLayout.most(self, tiling)
  }

  /// What a plan makes of one picture; nil for all tokens.
  ///
  /// - Parameter picture: nil for a usual one.
  /// - Throws: `CompressionError` where the plan does not fit the model.
  public func tokens(of plan: CompressionPlan?, picture: PictureShape? = nil) throws -> PlannedTokens {
    let picture = picture ?? usualPicture
    var planned = try CompressionPlan.tokens(
      plan, layout: layout(of: picture), towerLayers: vision.computedLayers, layers: text.layers, clamped: picturesVary)
    if let windowed {
      let area = windowed.mergeSize * windowed.mergeSize
      // Nothing is chosen before the merger, which makes the tokens.
      planned.projector = planned.patches
      planned.patches *= area
      planned.tower = planned.tower.map { _ in planned.patches }
    }
    if audio != nil {
      planned.patches *= 2
      planned.tower = planned.tower.map { _ in planned.patches }
    }
    if tiling != nil {
      // Tower and projector see all patches of all views, those of margins too.
      planned.patches = picture.views * vision.patches
      planned.tower = planned.tower.map { _ in planned.patches }
      planned.projector = planned.patches
    }
    // Frames are pooled behind the tower, so the projector sees what is left.
    if pooledVideo != nil, picture.isVideo { planned.projector = layout(of: picture).count }
    return planned
  }
}
