import Compression
import Imaging
import Torch

/// From pictures to rows of the decoder's input.
///
/// Nobody outside of an encoder asks what shape a picture is; they ask its layout (`LLaVAConfiguration.layout`).
public protocol VisualEncoder: Sendable {
  /// Layers that are computed, for plans that work between them.
  var computedLayers: Int { get }

  /// Pictures to rows.
  ///
  /// - Parameters:
  ///   - pictures: one at least, their views on the model's device.
  ///   - reductions: stages of a plan before the decoder, in order, with as many counts as there are pictures.
  ///   - context: what the stages' compressors may look at.
  /// - Returns: a segment for each picture.
  /// - Throws: `TorchError` for pixels of a wrong shape, `CompressionError` where a compressor breaks its promise.
  func callAsFunction(
    _ pictures: [PicturePixels], _ reductions: [EncoderStage], _ context: EncoderContext
  ) throws -> [VisualSegment]
}

/// A stage before the decoder, with numbers in place of rules.
public struct EncoderStage: Sendable {
  /// What is done, and where.
  public let stage: CompressionPlan.Stage
  /// Tokens that are left of each image.
  public let counts: [Int]

  /// A stage and its numbers.
  public init(_ stage: CompressionPlan.Stage, counts: [Int]) {
    self.stage = stage
    self.counts = counts
  }
}

/// What compressors before the decoder may look at, for each image.
public struct EncoderContext: Sendable {
  /// Random numbers of the image's sample.
  public var generators: [Generator]
  /// Embeddings of the text of the image's prompt, [tokens, hiddenSize of the decoder]; empty where no compressor needs them.
  public var text: [Tensor]
  /// Layers of the tower whose queries and keys later stages, in the decoder, need: by index, or from the end.
  public var towerLayers: Set<Int>

  /// A context of its parts.
  public init(generators: [Generator] = [], text: [Tensor] = [], towerLayers: Set<Int> = []) {
    self.generators = generators
    self.text = text
    self.towerLayers = towerLayers
  }

  /// Layers that are looked at where all choices are made behind the tower: their indices by the names that compressors gave them.
  ///
  /// - Parameter layers: of the tower that are computed; the layer behind them is none of them.
  func tracedLayers(_ stages: ArraySlice<EncoderStage>, of layers: Int) -> [Int: Int] {
    let names = stages.reduce(towerLayers) { $0.union($1.stage.reducer.needs.towerLayers) }
    let found = names.map { name in
      (name, name == ReducerNeeds.layerBeforeSite ? layers - 1 : name < 0 ? layers + name : name)
    }
    return Dictionary(uniqueKeysWithValues: found.filter { (0..<layers).contains($0.1) })
  }
}

/// The rows of one picture at the decoder's input.
public struct VisualSegment: Sendable {
  /// [tokens, hiddenSize].
  public var rows: Tensor
  /// The picture's tokens before any was dropped.
  public var layout: TokenLayout
  /// Which of them are left, [tokens] int64; nil while all are.
  public var kept: Tensor?
  /// Places of the rows among the picture's positions, [tokens] int64 or [axes, tokens]; nil for 0, 1, 2, ….
  public var places: Tensor?
  /// Positions that the picture takes: text goes on behind them.
  public var positions: Int
  /// Positions up to which its tokens reach, where these are more: what is written behind the whole prompt goes on behind them too.
  public var reach = 0
  /// What the tower attended with, where it was asked for.
  public var tower: [Int: TowerTrace] = [:]

  /// A picture of which all tokens are there.
  public init(rows: Tensor, layout: TokenLayout) {
    self.rows = rows
    self.layout = layout
    positions = rows.size(0)
  }
}
