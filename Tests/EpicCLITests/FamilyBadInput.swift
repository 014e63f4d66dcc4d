import Foundation
import Imaging
import MadeVideos
import TestSupport

/// A way to go wrong with a model of a family, or with a medium that is given to it.
struct FamilyBadInput: Sendable {
  let preset: String
  /// What the line must name.
  let says: [String]
  /// Exit code: 2 for wrong usage, 1 for wrong input.
  var code: Int32 = 1
  /// What is asked about the model, beside it.
  var arguments: [String] = ["--prompt", "What?"]
  /// What is changed in the model's folder.
  var change: (@Sendable (URL) throws -> Void)?

  var name: String { "\(preset): \(says.joined(separator: ", ")), \(arguments.joined(separator: " "))" }

  /// One field of one of the model's files; "a.b" for a field inside another one.
  private static func field(
    _ preset: String, _ file: String, _ path: String, _ value: (any Sendable)?, _ says: String...
  ) -> FamilyBadInput {
    FamilyBadInput(preset: preset, says: says) { try BadInput.edit($0.appending(path: file), path, value) }
  }

  /// A medium that the workplace has, or has not.
  private static func given(_ preset: String, _ arguments: [String], _ says: String..., code: Int32 = 1) -> FamilyBadInput {
    FamilyBadInput(preset: preset, says: says, code: code, arguments: ["--prompt", "What?"] + arguments)
  }

  private static let (config, processor) = ("config.json", "preprocessor_config.json")

  static let all = configurations + processors + pictures + videos + sounds + budgets

  private static let configurations: [FamilyBadInput] = {
    let qwen = "tiny-qwen2.5-vl"
    return [
      field(qwen, config, "vision_config.window_size", 20, config, "window_size"),
      field(qwen, config, "vision_config.window_size", 1 << 62, config, "window_size"),
      field(qwen, config, "vision_config.spatial_merge_size", 3, "merge_size"),
      field(qwen, config, "vision_config.spatial_merge_size", 0, "merge_size"),
      field(qwen, config, "vision_config.temporal_patch_size", 0, "temporal_patch_size"),
      field(qwen, config, "vision_config.num_heads", 5, "num_heads"),
      field(qwen, config, "vision_config.depth", 0, "depth"),
      field(qwen, config, "vision_config.out_hidden_size", 65, "out_hidden_size", "64"),
      field(qwen, config, "vision_config.hidden_act", "relu", "hidden_act", "silu"),
      field(qwen, config, "vision_config.in_channels", 4, "in_channels", "3"),
      field(qwen, config, "vision_config.tokens_per_second", 0, "tokens_per_second"),
      field(qwen, config, "vision_config.fullatt_block_indexes", "all", "fullatt_block_indexes"),
      field(qwen, config, "vision_start_token_id", 100_000, "vision_start_token_id", "512"),
      field(qwen, config, "rope_scaling.mrope_section", [2, 3, 4], "mrope_section", "8"),
      field(qwen, config, "rope_scaling.mrope_section", [8], "mrope_section", "three"),
      field(qwen, config, "rope_scaling.mrope_section", [-1, 5, 4], "mrope_section"),
      field(qwen, config, "rope_scaling.mrope_section", [Int.max, Int.max, 10], "mrope_section"),
      field(qwen, config, "vision_config", nil, "vision_config"),
      field("tiny-qwen2-vl", config, "vision_config.embed_dim", 33, config),
      field("tiny-qwen2-vl", config, "vision_config.mlp_ratio", Int.max, config),
      field("tiny-qwen2-vl", config, "vision_config.hidden_act", "silu", "hidden_act", "quick_gelu"),
      field("tiny-onevision", config, "image_grid_pinpoints", [[Int]](), "image_grid_pinpoints"),
      field("tiny-onevision", config, "image_grid_pinpoints", [[56]], "image_grid_pinpoints"),
      field("tiny-onevision", config, "image_grid_pinpoints", [[0, 56]], "image_grid_pinpoints"),
      field("tiny-onevision", config, "image_grid_pinpoints", [[57, 56]], "image_grid_pinpoints"),
      field("tiny-onevision", config, "image_grid_pinpoints", [[56 << 40, 56 << 40]], "image_grid_pinpoints"),
      field("tiny-onevision", config, "image_grid_pinpoints", "(1x1),...", "image_grid_pinpoints"),
      field("tiny-onevision", config, "vision_aspect_ratio", "anyres_max_many", "vision_aspect_ratio"),
      field("tiny-onevision", config, "vision_config.model_type", "dinov2", "model_type", "siglip_vision_model"),
      field("tiny-next", config, "image_grid_pinpoints", nil, "image_grid_pinpoints"),
      field("tiny-next", config, "vision_feature_layer", 9, "vision_feature_layer"),
      field("tiny-next-video", config, "spatial_pool_mode", "conv", "spatial_pool_mode", "average, max"),
      field("tiny-next-video", config, "spatial_pool_stride", 0, "spatial_pool_stride", "1...4"),
      field("tiny-next-video", config, "spatial_pool_stride", 1 << 62, "spatial_pool_stride"),
      field("tiny-next-video", config, "vision_feature_select_strategy", "full", "vision_feature_select_strategy"),
      field("tiny-qwen2-audio", config, "audio_config", nil, "audio_config"),
      field("tiny-qwen2-audio", config, "audio_config.activation_function", "relu", "activation_function"),
      field("tiny-qwen2-audio", config, "audio_config.scale_embedding", true, "scale_embedding"),
      field("tiny-qwen2-audio", config, "audio_config.encoder_attention_heads", 3, "encoder_attention_heads"),
      field("tiny-qwen2-audio", config, "audio_config.max_source_positions", 7, "max_source_positions"),
      field("tiny-qwen2-audio", config, "tie_word_embeddings", true, "tie_word_embeddings"),
    ]
  }()

  private static let processors: [FamilyBadInput] = [
    // Below one patch.
    field("tiny-qwen2.5-vl", processor, "max_pixels", 10, "pixels"),
    field("tiny-qwen2.5-vl", processor, "max_pixels", Int.max, "pixels"),
    field("tiny-qwen2.5-vl", processor, "min_pixels", 1 << 40, "pixels"),
    field("tiny-qwen2.5-vl", processor, "min_pixels", "few", "min_pixels"),
    field("tiny-qwen2.5-vl", processor, "patch_size", 16, processor, "patch_size"),
    field("tiny-qwen2.5-vl", processor, "image_mean", [0.5], processor, "image_mean"),
    field("tiny-qwen2.5-vl", processor, "image_std", [0.0, 0.0, 0.0], processor, "image_std"),
    field("tiny-qwen2-audio", processor, "feature_size", 17, processor, "feature_size"),
    field("tiny-qwen2-audio", processor, "hop_length", 0, "hop_length"),
    field("tiny-qwen2-audio", processor, "chunk_length", 2, "frames"),
    field("tiny-qwen2-audio", processor, "n_fft", 1 << 40, "n_fft"),
    field("tiny-qwen2-audio", processor, "sampling_rate", -1, "sampling_rate"),
  ]

  private static let pictures: [FamilyBadInput] = [
    given("tiny-qwen2.5-vl", ["--image", "line.png"], "line.png"),
    given("tiny-next", ["--image", "line.png"], "line.png"),
    given("tiny-onevision", ["--image", "none.png"], "none.png", "No such file"),
    given("tiny-qwen2-audio", ["--image", "house.png"], "take no pictures", "--audio"),
  ]

  private static let videos: [FamilyBadInput] = [
    given("tiny-onevision", ["--video", "cut.mp4"], "cut.mp4", "truncated or damaged"),
    given("tiny-onevision", ["--video", "headless.mp4"], "headless.mp4"),
    given("tiny-onevision", ["--video", "empty.mp4"], "empty.mp4", "empty"),
    given("tiny-onevision", ["--video", "house.png"], "house.png", "not a video"),
    given("tiny-onevision", ["--video", "text.mp4"], "text.mp4", "not a video"),
    given("tiny-onevision", ["--video", "long.wav"], "long.wav"),
    given("tiny-onevision", ["--video", "none.mp4"], "none.mp4", "No such file"),
    given("tiny-onevision", ["--video", "folder"], "folder"),
    given("tiny-onevision", ["--video", "/dev/null"], "/dev/null"),
    given("tiny-onevision", ["--video", "film.mp4", "--fps", "0"], "--fps", code: 2),
    given("tiny-onevision", ["--video", "film.mp4", "--fps", "nan"], "--fps", code: 2),
    given("tiny-onevision", ["--video", "film.mp4", "--max-frames", "0"], "--max-frames", code: 2),
    given("tiny-onevision", ["--video", "film.mp4", "--max-frames", "1000000000"], "--max-frames", code: 2),
    given("tiny-onevision", ["--video", "film.mp4", "--prompt", "<video> <video>"], "2 <image> placeholders", "1 image"),
    given("tiny-onevision", ["--video", "film.mp4", "--audio", "long.wav"], "--audio and --video", code: 2),
    given("tiny-onevision", ["--audio", "long.wav"], "take no sound", "qwen2_audio"),
    given("tiny", ["--video", "film.mp4"], "take no videos", "qwen2_5_vl"),
    given("tiny-next", ["--video", "film.mp4"], "take no videos", "llava_onevision"),
    given("tiny-qwen2-audio", ["--video", "film.mp4"], "take no videos"),
  ]

  private static let sounds: [FamilyBadInput] = [
    given("tiny-qwen2-audio", ["--audio", "short.wav"], "short.wav", "too few"),
    given("tiny-qwen2-audio", ["--audio", "nothing.wav"], "nothing.wav", "no sound"),
    given("tiny-qwen2-audio", ["--audio", "house.png"], "house.png", "not sound"),
    given("tiny-qwen2-audio", ["--audio", "text.mp4"], "text.mp4", "not sound"),
    given("tiny-qwen2-audio", ["--audio", "none.wav"], "none.wav", "No such file"),
    given("tiny-qwen2-audio", ["--audio", "film.mp4"], "film.mp4", "sound"),
    given("tiny", ["--audio", "long.wav"], "take no sound", "qwen2_audio"),
  ]

  private static let budgets: [FamilyBadInput] = [
    given("tiny-onevision", ["--image", "house.png", "--keep", "-5%"], "--keep", code: 2),
    given("tiny-onevision", ["--image", "house.png", "--keep", "101%"], "--keep", code: 2),
    given("tiny-onevision", ["--image", "house.png", "--keep", "11%%"], "--keep", code: 2),
    given("tiny-onevision", ["--image", "house.png", "--reduce", "visionzip:8@tower.1"], "leave the number out", code: 2),
    given("tiny-onevision", ["--image", "house.png", "--reduce", "divprune:8@tower.1"], "@features"),
    given("tiny-next", ["--image", "house.png", "--reduce", "downsample:8"], "one grid of patches", code: 2),
    given("tiny-qwen2.5-vl", ["--image", "house.png", "--reduce", "tome:8@tower.1"], "@tower"),
    given("tiny-qwen2-audio", ["--audio", "long.wav", "--reduce", "visionzip:4"], "@features"),
  ]
}

extension FamilyBadInput {
  /// What the cases speak of.
  static func makeMedia(in place: URL) throws {
    func url(_ name: String) -> URL { place.appending(path: name) }
    try RGBImage(width: 100_000, height: 1, pixels: Array(repeating: 7, count: 300_000)).writePNG(to: url("line.png"))
    var film = MadeVideo(frames: 8, fps: 4)
    (film.width, film.height) = (64, 48)
    try film.write(to: url("film.mp4"))
    let whole = try Data(contentsOf: url("film.mp4"))
    try whole.prefix(whole.count * 2 / 3).write(to: url("cut.mp4"))
    try whole.dropFirst(40).write(to: url("headless.mp4"))
    try Data().write(to: url("empty.mp4"))
    try Data("No film, but a sentence.".utf8).write(to: url("text.mp4"))
    try MadeSound.wav(9000).write(to: url("long.wav"))
    try MadeSound.wav(300).write(to: url("short.wav"))
    try MadeSound.wav(0).write(to: url("nothing.wav"))
    try FileManager.default.createDirectory(at: url("folder"), withIntermediateDirectories: false)
  }
}
