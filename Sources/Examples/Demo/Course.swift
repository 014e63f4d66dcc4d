import Imaging
import LLaVA
import Shapes
import Torch

/// A model that comes with the program, and what it is made of when it is made from nothing.
public enum Course: String, Sendable, CaseIterable {
  /// Pictures: a LLaVA-1.5 in small, 144 visual tokens for a picture of 96 pixels.
  case shapes
  /// Videos: a LLaVA-OneVision in small, 16 visual tokens for a frame of 64 pixels.
  case movingShapes = "moving-shapes"

  /// The model's shape, all 128 wide; the output layer is the embedding table.
  ///
  /// Of the tower the last layer's output is used, as it has been trained for this and not for contrasting pictures with captions.
  public var configuration: LLaVAConfiguration {
    let isVideo = self == .movingShapes
    var vision = VisionConfiguration(
      hiddenSize: 128, layers: isVideo ? 2 : 3, heads: 4, intermediateSize: 512,
      imageSize: isVideo ? MovingFrame.side : Scene.side,
      patchSize: Scene.patchSide)
    vision.featureLayer = -1
    var text = TextConfiguration(
      hiddenSize: 128, layers: 6, heads: 4, keyValueHeads: 4, intermediateSize: 352,
      vocabularySize: tokenizer.vocabularySize)
    text.tiesEmbeddings = true
    text.maximumPositions = 2048
    if isVideo {
      (vision.tower, vision.activation, vision.layerNormEpsilon, vision.featureSelection) = (.siglip, .tanhGELU, 1e-6, .full)
      (text.family, text.attentionBias, text.rmsNormEpsilon) = (.qwen2, true, 1e-6)
    }
    var configuration = LLaVAConfiguration(vision: vision, text: text, imageTokenID: ShapesTokenizer.imageTokenID)
    if isVideo {
      configuration.family = .llavaOnevision
      let canvas = PictureTiling.Size(height: MovingFrame.side, width: MovingFrame.side)
      configuration.tiling = PictureTiling(canvases: [canvas], side: MovingFrame.side, onlyAlone: true)
      configuration.tileLimit = 9
    }
    configuration.bosTokenID = ShapesTokenizer.bosTokenID
    configuration.eosTokenIDs = [ShapesTokenizer.eosTokenID]
    configuration.padTokenID = tokenizer.padTokenID
    return configuration
  }

  /// The tokenizer of its questions.
  public var tokenizer: ShapesTokenizer { self == .shapes ? .scenes : .moving }

  /// Pictures or videos that the shipped model was trained on.
  public var examples: Int { self == .shapes ? 24_000 : 12_000 }
  /// Steps of the shipped tower's alignment.
  public var alignmentSteps: Int { self == .shapes ? 700 : 160 }
  /// Pictures of a step of the tower's alignment.
  public var alignmentBatch: Int { self == .shapes ? 48 : 96 }

  /// What its tower learns to say of each visual token, and the words of it.
  var groups: [(name: String, words: [String])] {
    switch self {
    case .shapes: PatchLabels.Group.allCases.map { ($0.rawValue, PatchLabels.words($0)) }
    case .movingShapes: MovingLabels.groups
    }
  }

  /// A picture that no data set has: what is drawn, and for each group the class of each visual token, -1 where there is none.
  func example(_ index: Int, seed: UInt64) throws -> (picture: RGBImage, classes: [[Int]]) {
    // Streams of their own.
    let seed = seed ^ 0xa11c_0de5
    switch self {
    case .shapes:
      var generator = SceneGenerator(seed: seed, stream: UInt64(index))
      let scene = Scene(using: &generator)
      let labels = PatchLabels(scene)
      return (try scene.draw(), PatchLabels.Group.allCases.map { labels.classes($0) })
    case .movingShapes:
      let frame = MovingClip(frames: 1, seed: seed, stream: UInt64(index)).frames[0]
      return (try frame.draw(), MovingLabels.classes(frame))
    }
  }

  /// From a picture to what the tower takes, [3, side, side] float32.
  var preprocessor: @Sendable (RGBImage) throws -> Tensor {
    if let videos = VideoPreparer(configuration) { return { try videos.frames($0) } }
    let preprocessor = ImagePreprocessor(imageSize: configuration.vision.imageSize)
    return { try preprocessor($0) }
  }

  /// Rows of the decoder's input for pictures [pictures, 3, side, side], or for frames: [tokens, hiddenSize].
  func rows(of pixels: Tensor, _ model: LLaVAModel) throws -> Tensor {
    let (side, width) = (model.configuration.vision.imageSize, model.configuration.text.hiddenSize)
    guard self == .movingShapes else { return try model.visualTokens(pixels).reshaped([-1, width]) }
    let video = try PicturePixels(views: pixels, height: side, width: side, secondsPerFrame: 1)
    let segment = try model.encode([PictureRequest(ids: [], pictures: [video])])[0][0]
    // Behind all frames there is a row that shows none.
    return try segment.rows.narrow(0, from: 0, length: segment.layout.counted)
  }
}
