extension StepRecord {
  /// The fields of a line of `metrics.jsonl` and what they mean, for the reference; a test compares the names.
  public static let fields: [(name: String, meaning: String)] = [
    ("step", "completed optimizer steps, this one included"),
    ("epoch", "times through the data so far"),
    ("loss", "what is minimised"),
    ("crossEntropy", "its first term, a mean over supervised tokens and branches, unweighted, in nats"),
    ("divergence", "its second term, a mean over the same, unweighted and without τ²; in nats, or of `hidden` 1 − cosine"),
    ("gradientNorm", "2-norm of all gradients before clipping"),
    ("crossEntropyGradientNorm", "norm of its gradient at the last hidden states; with `distillation.gradient-norms`"),
    ("divergenceGradientNorm", "the same of the second term"),
    ("learningRate", "rate of the decoder, or else of the first part that is trained"),
    ("layer", "decoder layers before the cut, the fewest of all branches"),
    ("studentRatio", "share of the visual tokens that the student drops, a mean"),
    ("teacherRatio", "the same of the teacher; absent without a teacher's pass"),
    ("budgets", "each branch of the step: `role`, `tokens`, `layer`, `crossEntropy`, `divergence`"),
    ("compressor", "who chose the tokens; absent where one compressor does in all steps"),
    ("validation", "held-out losses at each plan: `reduce`, `tokens`, `crossEntropy`, `samples`, `supervisedTokens`"),
    ("benchmarks", "scores at each plan: `benchmark`, `reduce`, `score` in percent, `questions`"),
    ("curriculum", "what the curriculum `auto` has learnt so far"),
    ("flops", "floating-point operations of the step"),
    ("sentBytes", "bytes that the first of several processes sent to the others"),
    ("samples", "samples of the step"),
    ("rows", "rows of the step, visual tokens included"),
    ("supervisedTokens", "tokens that the loss is about"),
    ("seconds", "time of the step, waiting for data included"),
    ("dataSeconds", "time of it spent waiting for data"),
  ]
}
