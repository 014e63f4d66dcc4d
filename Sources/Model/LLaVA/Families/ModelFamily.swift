import Compression
import Imaging

/// A kind of models: all that differs between kinds, and nothing else.
///
/// A family is a folder beside this file and a line in `all`. `model_type` of a checkpoint's config.json chooses it. No code outside asks
/// which family a model is of; it asks the model's layout, encoder and configuration.
public struct ModelFamily: Sendable {
  /// `model_type` in config.json.
  public let type: String
  /// The class of transformers that reads its checkpoints.
  let architecture: String
  /// How transformers' checkpoints name the weights.
  var weights = WeightNames.towers
  /// A configuration of transformers' layout.
  let read: @Sendable (ConfigurationReader) throws -> LLaVAConfiguration
  /// All fields of config.json, from those of models with a tower of one size.
  let fields: @Sendable (LLaVAConfiguration, [String: JSONValue]) -> [String: JSONValue]
  /// How pictures are prepared where a checkpoint does not say it.
  let preprocessing: @Sendable (LLaVAConfiguration) -> StoredPreprocessing
  /// The tokens of a picture.
  let layout: @Sendable (LLaVAConfiguration, PictureShape) -> TokenLayout
  /// From pictures to rows of the decoder's input.
  let encoder: @Sendable (ParameterScope, LLaVAConfiguration) throws -> any VisualEncoder
  /// How videos are taken; nil where they are not.
  var video: VideoRules?

  /// All families that are read.
  public static let all: [ModelFamily] = [
    .llava, .llavaNeXT, .llavaNeXTVideo, .llavaOnevision, .qwen2VL, .qwen25VL, .qwen2Audio,
  ]

  /// The family that a config.json names; nil for none of these.
  static func of(_ root: JSONObject) throws -> ModelFamily? {
    let type = try root.string("model_type")
    return all.first { $0.type == type }
  }
}

/// How a family takes videos.
struct VideoRules: Sendable {
  /// Fewest frames, of a video that has as many.
  var fewestFrames = 1
  /// The number of frames is a multiple of this.
  var multiple = 1
  /// Where frames that come one after the other begin on the first axis of positions, from where the first one did.
  var begin: @Sendable (_ group: StreamedGroup, _ configuration: LLaVAConfiguration) -> Int = { group, _ in
    group.number * group.tokens
  }
  /// How frames are prepared where a checkpoint does not say it.
  let preprocessing: @Sendable (LLaVAConfiguration) -> FramePreprocessor
}

/// Frames of a stream that become tokens together: `VideoRules.multiple` of them.
struct StreamedGroup {
  /// How many came before.
  var number: Int
  /// When its first frame is shown, in seconds from the first of all.
  var seconds: Double
  /// Tokens of each.
  var tokens: Int
}

/// How transformers' checkpoints name weights.
enum WeightNames: Sendable {
  /// `vision_tower`, `multi_modal_projector` and `language_model` beside each other.
  case towers
  /// `visual` inside of a language model.
  case visual
  /// `audio_tower` in place of a tower for pictures, and a projector of one layer.
  case audioTower
}

extension ModelFamily: Equatable, Encodable {
  /// True for one and the same family.
  public static func == (a: ModelFamily, b: ModelFamily) -> Bool { a.type == b.type }

  /// Its type.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(type)
  }
}
