/// Translates between the names that weights have in files and the model's own names.
///
/// Encoders of sound are called towers too. The own names are `tower.<x>`, `projector.<i>.<x>` and `decoder.<x>`, with x as in CLIP's and LLaMA's own files, and
/// `decoder.image_newline`. Files come with three generations of Hugging Face names, the original LLaVA's, and plain CLIP's; some writers
/// nest prefixes twice.
enum KeyNames {
  /// The beginning of the names of the tower's last norm, which no feature uses.
  static let unusedNorm = "tower.post_layernorm."

  /// The model's name for a name in a file, or `nil` for what is no weight of the model.
  ///
  /// 1. A leading `model.` before `vision_tower`, `multi_modal_projector`, `mm_projector` or `language_model` is dropped:
  ///    transformers 4.52 and later hold everything inside a `model`, and the original LLaVA its tower and projector.
  /// 2. What follows any number of `vision_tower.` and an optional `vision_model.` is the tower: the original nests the former
  ///    twice, transformers dropped the latter in 5.6.
  /// 3. `linear_1`, `linear_2` and the original's `0`, `2`, … (its odd numbers are the GELUs) are the projector's layers in order; a
  ///    bare `weight` is a projector of one layer.
  /// 4. `language_model.model.`, `language_model.` and `model.` before a decoder's own name are the decoder.
  /// 5. `inv_freq` and `position_ids` are constants, CLIP's text side and `visual_projection` belong to another model: ignored.
  static func own(_ name: String) -> String? {
    if name.hasSuffix("inv_freq") || name.hasSuffix("position_ids") { return nil }
    var rest = Substring(name)
    for part in [
      "vision_tower.", "audio_tower.", "multi_modal_projector.", "mm_projector.", "language_model.", "visual.", newline,
    ]
    where rest.hasPrefix("model." + part) {
      rest = rest.dropFirst("model.".count)
    }
    if rest == newline { return ownNewline }
    if let merger = drop("visual.merger.", rest) { return "projector." + merger }
    if let visual = drop("visual.", rest) { return "tower." + visual }
    if rest.hasPrefix("vision_tower.") || rest.hasPrefix("vision_model.") {
      while let stripped = drop("vision_tower.", rest) { rest = stripped }
      if let stripped = drop("vision_model.", rest) { rest = stripped }
      return "tower." + rest
    }
    if let tower = drop("audio_tower.", rest) { return "tower." + tower }
    if let leaf = drop("multi_modal_projector.linear.", rest) { return "projector.0." + leaf }
    if let layer = drop("multi_modal_projector.linear_", rest) {
      let parts = layer.split(separator: ".", maxSplits: 1)
      guard parts.count == 2, let number = Int(parts[0]), (1...9).contains(number) else { return nil }
      return "projector.\(number - 1).\(parts[1])"
    }
    if let layer = drop("mm_projector.", rest) {
      let parts = layer.split(separator: ".", maxSplits: 1)
      if parts.count == 1 { return "projector.0.\(layer)" }
      guard let number = Int(parts[0]), (0...16).contains(number), number % 2 == 0 else { return nil }
      return "projector.\(number / 2).\(parts[1])"
    }
    for prefix in ["language_model.model.", "language_model.", "model."] {
      if let stripped = drop(prefix, rest) {
        rest = stripped
        break
      }
    }
    let decoderParts = ["embed_tokens.", "layers.", "norm.", "lm_head."]
    return decoderParts.contains { rest.hasPrefix($0) } ? "decoder." + rest : nil
  }

  /// The end of a row of patches.
  private static let newline = "image_newline"
  static let ownNewline = "decoder.image_newline"

  /// The name in a file of a layout for a model's own name.
  static func file(_ name: String, _ layout: CheckpointLayout, _ style: WeightNames = .towers) -> String {
    if layout == .huggingFace, style == .visual { return visualFile(name) }
    if name == ownNewline { return layout == .huggingFace ? newline : "model." + newline }
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2 else { return name }
    let rest = String(parts[1])
    switch (parts[0], layout) {
    case ("tower", .huggingFace): return (style == .audioTower ? "audio_tower." : "vision_tower.vision_model.") + rest
    case ("tower", .original): return "model.vision_tower.vision_tower.vision_model." + rest
    case ("projector", _):
      let pieces = rest.split(separator: ".", maxSplits: 1)
      let number = pieces.first.flatMap { Int($0) } ?? 0
      let leaf = pieces.last.map(String.init) ?? rest
      if style == .audioTower { return "multi_modal_projector.linear." + leaf }
      return layout == .huggingFace
        ? "multi_modal_projector.linear_\(number + 1).\(leaf)" : "model.mm_projector.\(2 * number).\(leaf)"
    default:
      let isHead = rest.hasPrefix("lm_head.")
      switch layout {
      case .huggingFace: return (isHead ? "language_model." : "language_model.model.") + rest
      case .original: return (isHead ? "" : "model.") + rest
      }
    }
  }

  /// The name of a weight in a model that runs, which transformers since 5.6 tells from that in its files.
  static func running(_ name: String, _ layout: CheckpointLayout, _ style: WeightNames = .towers) -> String {
    let file = file(name, layout, style)
    guard layout == .huggingFace else { return file }
    if style == .visual {
      if file.hasPrefix("visual.") { return "model." + file }
      return drop("model.", file[...]).map { "model.language_model." + $0 } ?? file
    }
    if let head = drop("language_model.lm_head.", file[...]) { return "lm_head." + head }
    let inner = ["language_model.", "vision_tower.", "audio_tower."].first { file.hasPrefix($0) } ?? ""
    let rest = file.dropFirst(inner.count)
    return "model." + inner + (drop("model.", rest) ?? drop("vision_model.", rest) ?? rest)
  }

  private static func visualFile(_ name: String) -> String {
    if let rest = drop("tower.", name[...]) { return "visual." + rest }
    if let rest = drop("projector.", name[...]) { return "visual.merger." + rest }
    let rest = drop("decoder.", name[...]) ?? name[...]
    return (rest.hasPrefix("lm_head.") ? "" : "model.") + rest
  }

  private static func drop(_ prefix: String, _ name: Substring) -> Substring? {
    name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : nil
  }
}
