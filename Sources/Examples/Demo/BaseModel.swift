import LLaVA
import Shapes

/// The embedded model: a LLaVA-1.5 in small, 144 visual tokens for a picture of 96 pixels.
public enum BaseModel {
  /// Tower of 3 layers, mlp2x projector, decoder of 6 layers, all 128 wide; the output layer is the embedding table.
  ///
  /// Of the tower the last layer's output is used, as it has been trained for this and not for contrasting pictures with captions.
  public static var configuration: LLaVAConfiguration {
    var vision = VisionConfiguration(
      hiddenSize: 128, layers: 3, heads: 4, intermediateSize: 512, imageSize: Scene.side, patchSize: Scene.patchSide)
    vision.featureLayer = -1
    var text = TextConfiguration(
      hiddenSize: 128, layers: 6, heads: 4, keyValueHeads: 4, intermediateSize: 352,
      vocabularySize: ShapesTokenizer.vocabularySize)
    text.tiesEmbeddings = true
    text.maximumPositions = 2048
    var configuration = LLaVAConfiguration(vision: vision, text: text, imageTokenID: ShapesTokenizer.imageTokenID)
    configuration.bosTokenID = ShapesTokenizer.bosTokenID
    configuration.eosTokenIDs = [ShapesTokenizer.eosTokenID]
    configuration.padTokenID = ShapesTokenizer.padTokenID
    return configuration
  }
}
