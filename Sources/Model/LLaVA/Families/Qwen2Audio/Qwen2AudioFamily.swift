import Audio
import Compression
import Imaging

extension ModelFamily {
  /// Qwen2-Audio: sound in place of pictures, tokens in one row.
  static let qwen2Audio: ModelFamily = .init(
    type: "qwen2_audio", architecture: "Qwen2AudioForConditionalGeneration", weights: .audioTower,
    read: { try readConfiguration($0) },
    fields: { c, common in
      var fields = common.filter {
        ["architectures", "model_type", "tie_word_embeddings", "torch_dtype", "text_config"].contains($0.key)
      }
      fields["audio_token_index"] = .int(c.imageTokenID)
      fields["audio_config"] = .object([
        "model_type": .string("qwen2_audio_encoder"), "d_model": .int(c.vision.hiddenSize),
        "encoder_layers": .int(c.vision.layers), "encoder_attention_heads": .int(c.vision.heads),
        "encoder_ffn_dim": .int(c.vision.intermediateSize), "num_mel_bins": .int(c.audio?.spectrogram.bands ?? 0),
        "max_source_positions": .int(c.audio?.positions ?? 0), "activation_function": .string("gelu"),
        "scale_embedding": .bool(false),
      ])
      return fields
    },
    preprocessing: { c in
      var found = StoredPreprocessing(whole: c.vision)
      let mel = c.audio?.spectrogram ?? MelSpectrogram()
      found.image = [
        "feature_extractor_type": .string("WhisperFeatureExtractor"), "feature_size": .int(mel.bands),
        "sampling_rate": .int(mel.rate), "hop_length": .int(mel.hop), "n_fft": .int(mel.windowLength),
        "chunk_length": .int(mel.seconds), "n_samples": .int(mel.seconds * mel.rate), "nb_max_frames": .int(mel.frames),
        "padding_value": .double(0), "padding_side": .string("right"), "return_attention_mask": .bool(true),
      ]
      found.processor = ["processor_class": .string("Qwen2AudioProcessor"), "audio_token": .string("<|AUDIO|>")]
      return found
    },
    layout: { c, shape in
      TokenLayout(TokenGrid(rows: 1, columns: c.audio?.tokens(frames: shape.width) ?? 0))
    },
    encoder: { root, c in
      guard let audio = c.audio else {
        throw ConfigurationError.missing(file: "the model's configuration", field: "audio_config.max_source_positions")
      }
      return try AudioEncoder(root, c, audio)
    })

  private static func readConfiguration(_ reader: ConfigurationReader) throws -> LLaVAConfiguration {
    let root = reader.root
    let object = try root.require("audio_config", root.object("audio_config"))
    // The defaults of transformers' Qwen2AudioEncoderConfig.
    var vision = VisionConfiguration(
      hiddenSize: try object.int("d_model") ?? 1280, layers: try object.int("encoder_layers") ?? 32,
      heads: try object.int("encoder_attention_heads") ?? 20, intermediateSize: try object.int("encoder_ffn_dim") ?? 5120,
      imageSize: 1, patchSize: 1)
    // The tower's own check would call it by the names of towers for pictures.
    if vision.heads > 0, vision.hiddenSize % vision.heads != 0 {
      throw ConfigurationError.invalid(
        file: object.file, field: object.prefix + "encoder_attention_heads",
        reason: "\(vision.heads) does not divide d_model \(vision.hiddenSize)")
    }
    (vision.channels, vision.tower) = (1, .siglip)
    (vision.featureLayer, vision.featureSelection) = (-1, .full)
    if let name = try object.string("activation_function"), name != "gelu" {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "activation_function", found: "\"\(name)\"", known: ["gelu"])
    }
    if try object.bool("scale_embedding") == true {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "scale_embedding", found: "true", known: ["false"])
    }
    var text = try ConfigurationReader.text(
      root.object("text_config") ?? root.require("text_config", nil), family: .qwen2, defaults: true)
    text.tiesEmbeddings = try root.bool("tie_word_embeddings") ?? false
    var configuration = LLaVAConfiguration(
      vision: vision, text: text,
      imageTokenID: try root.int("audio_token_index") ?? root.int("audio_token_id") ?? 151_646)
    configuration.family = .qwen2Audio
    configuration.projector = LLaVAConfiguration.Projector(layers: 1, bias: true)
    let positions = try object.int("max_source_positions") ?? 1500
    var mel = MelSpectrogram(bands: try object.int("num_mel_bins") ?? 128)
    if let url = try reader.preprocessingFile() {
      let file = try JSONObject(contentsOf: url)
      let own = try file.object("feature_extractor") ?? file
      let bands = try own.int("feature_size") ?? mel.bands
      if bands != mel.bands {
        throw ConfigurationError.invalid(
          file: url.path, field: "feature_size", reason: "\(bands) differs from the encoder's num_mel_bins \(mel.bands)")
      }
      mel.rate = try own.int("sampling_rate") ?? mel.rate
      mel.hop = try own.int("hop_length") ?? mel.hop
      mel.windowLength = try own.int("n_fft") ?? mel.windowLength
      mel.seconds = try own.int("chunk_length") ?? mel.seconds
    } else if mel.rate > 0, mel.frames != 2 * positions {
      // Nothing says how sound is prepared: as long as the encoder wants it.
      let frames = positions > 1 << 24 ? 0 : 2 * positions
      mel.seconds = max(1, frames * mel.hop / mel.rate)
      mel.hop = max(1, mel.seconds * mel.rate / max(1, frames))
    }
    configuration.audio = AudioConfiguration(positions: positions, spectrogram: mel)
    configuration.bosTokenID = try root.object("text_config")?.int("bos_token_id")
    let ends = try root.ints("eos_token_id") ?? root.object("text_config")?.ints("eos_token_id")
    configuration.eosTokenIDs = Set(ends ?? [151_645])
    configuration.padTokenID = try root.int("pad_token_id") ?? root.object("text_config")?.int("pad_token_id")
    return configuration
  }
}
