import Audio

/// What an encoder of sound has beside the usual numbers of a tower (Qwen2-Audio's, which is Whisper's).
public struct AudioConfiguration: Sendable, Equatable, Encodable {
  /// Positions that the encoder knows: every spectrogram has twice as many frames.
  public var positions: Int
  /// How sound becomes a spectrogram.
  public var spectrogram: MelSpectrogram

  /// A configuration of its numbers.
  public init(positions: Int, spectrogram: MelSpectrogram) { (self.positions, self.spectrogram) = (positions, spectrogram) }

  /// Rows of the encoder for a clip whose first so many frames have sound: half as many, rounded up.
  func rows(frames: Int) -> Int { (max(0, min(frames, 2 * positions)) + 1) / 2 }

  /// Tokens of it: half as many rows, rounded down.
  func tokens(frames: Int) -> Int { rows(frames: frames) / 2 }

  /// Throws unless the numbers fit an encoder.
  ///
  /// - Throws: `ConfigurationError` naming the field.
  func validate(_ c: LLaVAConfiguration, _ file: String) throws {
    let prefix = "audio_config."
    try requirePositive(
      [
        "d_model": c.vision.hiddenSize, "encoder_layers": c.vision.layers, "encoder_attention_heads": c.vision.heads,
        "encoder_ffn_dim": c.vision.intermediateSize, "max_source_positions": positions,
      ], file, prefix)
    if c.text.tiesEmbeddings {
      throw ConfigurationError.unsupported(
        file: file, field: "tie_word_embeddings", found: "true",
        known: ["false, as in transformers, which ties none of this kind"])
    }
    if let fault = spectrogram.fault { throw ConfigurationError.invalid(file: file, field: fault.field, reason: fault.reason) }
    if spectrogram.frames != 2 * positions {
      throw ConfigurationError.invalid(
        file: file, field: prefix + "max_source_positions",
        reason: "\(positions) is not half of the \(spectrogram.frames) frames that sound is made into")
    }
  }
}
