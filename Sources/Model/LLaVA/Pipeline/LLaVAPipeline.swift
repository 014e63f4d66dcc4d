import Audio
import Compression
import Foundation
import Imaging
import Language
import Torch
import Video

/// A model with all that stands between it and a person: tokenizer, image preparation and conversation template.
public struct LLaVAPipeline: Sendable {
  /// The model.
  public let model: LLaVAModel
  /// Text to token ids and back.
  public let tokenizer: any Tokenizer
  /// Pictures to pixels.
  public let preprocessor: ImagePreprocessor
  /// How a conversation is written down.
  public let template: ConversationTemplate
  /// Videos to pixels; nil where the model takes none.
  public let videos: VideoPreparer?

  /// Puts the parts together.
  ///
  /// - Parameter videos: nil for what is usual in the model's family.
  public init(
    model: LLaVAModel, tokenizer: any Tokenizer, preprocessor: ImagePreprocessor, template: ConversationTemplate,
    videos: VideoPreparer? = nil
  ) {
    self.videos = videos ?? VideoPreparer(model.configuration)
    self.model = model
    self.tokenizer = tokenizer
    self.preprocessor = preprocessor
    self.template = template
  }

  /// Reads a checkpoint folder.
  ///
  /// 1. The template is that of `TemplateChoice`.
  /// 2. The preprocessor is that of the checkpoint's `processor_config.json` or `preprocessor_config.json`, else the CLIP folder's, else
  ///    CLIP's constants. Pictures are padded to a square whatever that file says, unless the model's configuration says otherwise:
  ///    LLaVA-1.5 was trained so, and the file of the Hugging Face port does not say it.
  ///
  /// - Parameters:
  ///   - quantization: in how many bits the decoder's matrices are held; as they are stored unless given.
  ///   - cache: how exactly keys and values are remembered.
  ///   - source: where the model takes its weights from, such as `DeferredWeights`; the checkpoint unless given.
  /// - Throws: an error naming file and field.
  public static func load(
    from folder: URL, dtype: DType? = nil, device: Device = .cpu, template: String? = nil,
    quantization: QuantizationOptions? = nil, cache: CachePrecision = .asModel,
    source: (CheckpointReader) -> any ParameterSource = { $0 }
  ) throws -> LLaVAPipeline {
    let reader = try CheckpointReader(folder, dtype: dtype, device: device)
    var configuration = reader.configuration
    let tokenizer = try configuration.framed(TokenizerLoader.load(from: folder))
    let template = try TemplateChoice(folder, configuration, named: template, tokenizer: tokenizer).template
    let preprocessor = try preprocessor(reader)
    // What the template ends answers with ends them here, whatever the other files say.
    if let chat = template.chat, let end = tokenizer.tokenID(of: chat.answerEnd) { configuration.eosTokenIDs.insert(end) }
    var model = try LLaVAModel(configuration, from: quantization.quantizing(source(reader)))
    model.cachePrecision = cache
    return LLaVAPipeline(
      model: model, tokenizer: tokenizer,
      preprocessor: preprocessor, template: template, videos: try reader.videoPreparer())
  }

  /// How a checkpoint's pictures are prepared; see `load`.
  ///
  /// - Throws: `ImagingError`, `ConfigurationError`.
  public static func preprocessor(_ reader: CheckpointReader) throws -> ImagePreprocessor {
    let configuration = reader.configuration
    // Pictures are refused before anybody asks it.
    if configuration.audio != nil { return ImagePreprocessor(imageSize: 1, aspect: .square) }
    let (size, vision) = (configuration.vision.imageSize, configuration.vision)
    if let url = try ConfigurationReader(reader.folder).preprocessingFile() {
      let preprocessor = try ImagePreprocessor(
        contentsOf: url, aspect: configuration.imageAspect, tiling: configuration.tiling,
        resolution: configuration.windowed?.resolution)
      guard configuration.windowed != nil || preprocessor.imageSize == size else {
        throw ConfigurationError.invalid(
          file: url.path, field: "crop_size", reason: "\(preprocessor.imageSize) differs from the tower's image_size \(size)")
      }
      return preprocessor
    }
    if let resolution = configuration.windowed?.resolution { return ImagePreprocessor(resolution) }
    if let tiling = configuration.tiling {
      return ImagePreprocessor(tiling, mean: vision.standardMean, std: vision.standardStd)
    }
    return ImagePreprocessor(
      imageSize: size, aspect: configuration.imageAspect, mean: vision.standardMean, std: vision.standardStd)
  }

  /// The request for a conversation that awaits an answer, and pictures for its `<image>` tags in order.
  ///
  /// - Throws: `PromptError.imageCount` where tags and pictures differ in number, `LanguageError`, `ImagingError`.
  public func request(_ turns: [Turn], images: [RGBImage]) throws -> GenerationRequest {
    try request(template.prompt(for: turns), pictures: pictures(images))
  }

  /// The request for a prompt that is complete as it stands.
  ///
  /// - Throws: `PromptError.imageCount` where tags and pictures differ in number, `LanguageError`.
  public func request(_ prompt: String, pictures: [PicturePixels]) throws -> GenerationRequest {
    let ids = try encodeWithImages(prompt, tokenizer: tokenizer)
    let placeholders = ids.lazy.filter { $0 == imagePlaceholderID }.count
    if placeholders != pictures.count {
      throw PromptError.imageCount(placeholders: placeholders, images: pictures.count)
    }
    return GenerationRequest(ids: ids, pictures: pictures)
  }

  /// The pictures of one sample as the encoder wants them.
  ///
  /// - Throws: `ImagingError`, `TorchError`.
  public func pictures(_ images: [RGBImage]) throws -> [PicturePixels] {
    if !images.isEmpty, model.configuration.audio != nil { throw PromptError.noPictures(type: model.configuration.family.type) }
    return try images.map { try preprocessor.views($0, isAlone: images.count == 1) }
  }

  /// Sound as the encoder wants it, one medium of a sample.
  ///
  /// - Parameter name: what errors call it.
  /// - Throws: `PromptError.noAudio` for a model that takes none; `AudioError`, `TorchError`.
  public func audio(_ clip: AudioClip, name: String = "the sound") throws -> PicturePixels {
    guard let audio = model.configuration.audio else { throw PromptError.noAudio(type: model.configuration.family.type) }
    return try audio.spectrogram(clip, name: name)
  }

  /// The frames of a video as the encoder wants them, one medium of a sample.
  ///
  /// - Parameter clip: from when to when it is looked at, in seconds from the beginning; nil for all of it.
  /// - Throws: `PromptError.noVideos` for a model that takes none; `VideoError`, `ImagingError`, `TorchError`.
  public func video(
    _ source: some FrameSource, _ sampling: FrameSampling, in clip: ClosedRange<Double>? = nil
  ) throws -> PicturePixels {
    guard let videos else { throw PromptError.noVideos(type: model.configuration.family.type) }
    return try videos(source, sampling, in: clip)
  }

  /// The request for a conversation that awaits an answer, and what its tags stand for in order.
  ///
  /// - Throws: as the others.
  public func request(_ turns: [Turn], pictures: [PicturePixels]) throws -> GenerationRequest {
    try request(template.prompt(for: turns), pictures: pictures)
  }

  /// Counts image tags before anything is read: they must be as many as the pictures.
  ///
  /// - Throws: `PromptError.imageCount`.
  public static func requireImages(_ images: Int, in texts: [String]) throws {
    let tags = texts.reduce(0) { $0 + Turn(.user, $1).imageTags }
    if tags != images { throw PromptError.imageCount(placeholders: tags, images: images) }
  }

  /// A user's text with a tag for every picture in front of it, unless it has tags of its own.
  public static func withImageTags(_ text: String, images: Int) -> String {
    images == 0 || text.contains(imageTag) ? text : String(repeating: imageTag + "\n", count: images) + text
  }
}

extension LLaVAConfiguration {
  /// A tokenizer that puts around pictures or sound what the model wants there.
  public func framed(_ tokenizer: any Tokenizer) -> any Tokenizer {
    if audio != nil, let start = tokenizer.tokenID(of: "<|audio_bos|>"), let end = tokenizer.tokenID(of: "<|audio_eos|>") {
      return FramedTokenizer(tokenizer, before: [start], after: [end])
    }
    return windowed.map { FramedTokenizer(tokenizer, before: [$0.startTokenID], after: [$0.endTokenID]) } ?? tokenizer
  }
}

extension LLaVAPipeline {
  /// A picture as the model sees it, for people to look at, and its tokens; the last of the grids covers it.
  ///
  /// - Parameters:
  ///   - count: pictures of its sample.
  ///   - side: about how long its sides are to be at least, in pixels.
  /// - Throws: `ImagingError`.
  public func shown(_ image: RGBImage, of count: Int, side: Int) throws -> (view: RGBImage, layout: TokenLayout) {
    let shape = preprocessor.shape(height: image.height, width: image.width, isAlone: count == 1)
    let layout = model.configuration.layout(of: shape)
    if shape.views > 1 || preprocessor.resolution != nil, let grid = layout.grids.last, grid.patches > 0 {
      // As many pixels for each patch along both sides, as its patches are.
      let patch = max(1, side / max(grid.rows, grid.columns))
      return (image.resized(width: patch * grid.columns, height: patch * grid.rows), layout)
    }
    let own = preprocessor.imageSize
    return (try preprocessor.magnified(by: max(1, (side + own - 1) / own)).resizedPixels(image), layout)
  }

  /// The same pipeline with another system prompt.
  public func with(system: String) -> LLaVAPipeline {
    var changed = template
    changed.system = system
    return LLaVAPipeline(model: model, tokenizer: tokenizer, preprocessor: preprocessor, template: changed, videos: videos)
  }
}
