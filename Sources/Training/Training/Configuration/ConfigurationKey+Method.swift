import Compression
import Distillation

extension ConfigurationKey {
  /// What a step drops.
  static let curriculum: [ConfigurationKey] = [
    key("curriculum.name", \.curriculum.name, "token, layer, integrated, fixed, nested, auto, or none (no token is dropped)"),
    count("curriculum.layer", \.curriculum.layer, "decoder layers before the cut; where they change, the last"),
    key("curriculum.student-min", \.curriculum.studentMinimum, "lower end of the student's ratios"),
    key("curriculum.student-max", \.curriculum.studentMaximum, "upper end of the student's ratios"),
    key("curriculum.gap", \.curriculum.gap, "how much smaller the teacher's ratio is"),
    share("curriculum.teacher-min", \.curriculum.teacherMinimum, "the teacher's ratio does not fall below this"),
    key("curriculum.rounding", \.curriculum.rounding, "layers between two: half-up or half-even"),
    count("curriculum.stages", \.curriculum.stages, "layers that `integrated` visits"),
    share("curriculum.hold", \.curriculum.hold, "share of training at its end that keeps what was reached"),
    count(
      "curriculum.smallest", \.curriculum.smallest, "smallest budget of `nested` and `auto` in tokens; a sixteenth unless given"),
    count("curriculum.between", \.curriculum.between, "budgets of `nested` between all tokens and the smallest", from: 0),
    key("curriculum.ladder", \.curriculum.ladder, "fixed budgets in place of drawn ones, as in [64, 36]"),
    count("curriculum.full-every", \.curriculum.fullEvery, "steps from one with all tokens to the next; 0 for none", from: 0),
    key("curriculum.mix", \.curriculum.mixes, "one budget for each sample in place of several for all"),
    key(
      "curriculum.teacher", \.curriculum.teacher,
      "of `nested`: none, full, chain, frozen, mutual or mean; of `auto`: full or frozen"),
    key("curriculum.progression", \.curriculum.progression, "what goes from easy to hard in `nested`: none, tokens or layers"),
    key("curriculum.cut-layers", \.curriculum.cutLayers, "layers of `nested`, one drawn for each sample and budget"),
    key("curriculum.shares", \.curriculum.shares, "parts of the loss: [all tokens, each between, smallest]"),
    key("curriculum.divergence-weights", \.curriculum.divergenceWeights, "λ of the same three, where they differ"),
    key(
      "curriculum.draws", \.curriculum.draws, "ratios and budgets for each batch, or for each sample (`nested` unless given)"),
  ]

  /// Who drops, and the loss.
  static let method: [ConfigurationKey] = [
    key(
      "compression.compressor", \.compression.compressor,
      "who chooses tokens at a curriculum's ratios: \(ReducerRegistry.standard.names.joined(separator: ", ")); several, with commas "
        + "between them, take turns at random"),
    key(
      "compression.reduce", \.compression.reduce, "a plan for all steps in place of a curriculum, such as dart:64@2,dart:16@15"),
    key("compression.counts", \.compression.counts, "tokens that a ratio leaves: the compressor's formula, or exact"),
    key("compression.semantics", \.compression.semantics, "corrected: choose by the prompt; reference: by the answer too"),
    count("compression.image-pivots", \.compression.imagePivots, "pivots of dart in the image", from: 0),
    count("compression.text-pivots", \.compression.textPivots, "pivots of dart in the text", from: 0),
    share("distillation.divergence-weight", \.distillation.divergenceWeight, "λ; 0 trains without a teacher"),
    ConfigurationKey("distillation.temperature", \.distillation.temperature, "τ of both sides", "a number above 0") {
      $0 > 0 && $0.isFinite
    },
    key(
      "distillation.divergence", \.distillation.divergence,
      "forward, reverse, jensen-shannon, or hidden (1 - cosine of final hidden states)"),
    key("distillation.where", \.distillation.guidance, "all positions, where the target is right, or by its confidence"),
    key("distillation.scales-by-temperature", \.distillation.scalesByTemperature, "multiply the divergence by τ²"),
    key("distillation.positions", \.distillation.positions, "compare at positions predicting, or holding, supervised tokens"),
    key("distillation.draws", \.distillation.draws, "random tokens of both sides: independent or nested"),
    count("distillation.chunk-rows", \.distillation.chunkRows, "rows whose logits exist at one time"),
    key("distillation.recompute", \.distillation.recomputesActivations, "compute activations again in place of keeping them"),
    key("distillation.gradient-norms", \.distillation.measuresGradients, "log the gradient norms of both terms"),
  ]
}
