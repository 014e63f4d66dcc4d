import Torch

extension CheckpointWriter {
  /// Widens the vocabulary where the image, video or padding token lies beyond it, as it does in the original layout.
  ///
  /// transformers looks every id of a prompt up, the image token's too, before it puts the images in their places, and so needs a
  /// row for it. The new rows are zero, and their number is rounded up to a multiple of 64, as in the hub's own conversions.
  ///
  /// - Throws: `ConfigurationError.invalid` where a token lies so far outside that it cannot be meant.
  static func coveringSpecialTokens(
    _ weights: [SafetensorsItem], _ configuration: LLaVAConfiguration
  ) throws -> (weights: [SafetensorsItem], configuration: LLaVAConfiguration) {
    let size = configuration.text.vocabularySize
    let tokens = [
      ("image_token_index", configuration.imageTokenID), ("video_token_index", configuration.videoTokenID ?? 0),
      ("pad_token_id", configuration.padTokenID ?? 0),
    ]
    for (field, id) in tokens where id >= size + 1024 {
      throw ConfigurationError.invalid(
        file: "config.json", field: field, reason: "\(id) is far outside the vocabulary of \(size) entries")
    }
    let last = tokens.map(\.1).max() ?? 0
    guard last >= size else { return (weights, configuration) }
    var wider = configuration
    wider.text.vocabularySize = (last / 64 + 1) * 64
    let added = wider.text.vocabularySize - size
    let tables = ["decoder.embed_tokens.weight", "decoder.lm_head.weight"]
    let widened = weights.map { item in
      guard tables.contains(item.name), let width = item.shape.last else { return item }
      return SafetensorsItem(name: item.name, dtype: item.dtype, shape: [wider.text.vocabularySize, width]) {
        let table = try item.load()
        return try concatenate([table, Tensor.zeros([added, width], table.dtype, on: table.device)])
      }
    }
    return (widened, wider)
  }
}
