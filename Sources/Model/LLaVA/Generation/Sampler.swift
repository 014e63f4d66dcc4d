import Torch

/// Draws the next token of one sample from the model's scores.
///
/// The order of steps is that of transformers: repetition penalty, temperature, top-k, top-p, draw.
struct Sampler {
  private let options: GenerationOptions
  private let generator: Generator?
  private var seen: Set<Int>

  /// A sampler of a sequence whose prompt holds the given token ids.
  init(_ options: GenerationOptions, prompt: [Int], on device: Device) throws {
    self.options = options
    generator = options.temperature > 0 ? try Generator(seed: options.seed, on: device) : nil
    seen = options.repetitionPenalty == 1 ? [] : Set(prompt.filter { $0 >= 0 })
  }

  /// True where the most likely token is taken as it is, so that a whole batch can be decided at once.
  var isPlainArgmax: Bool { options.temperature == 0 && options.repetitionPenalty == 1 }

  /// The next token for scores [vocabulary]; nil where they are not finite.
  mutating func next(_ logits: Tensor) throws -> Int? {
    var scores = try logits.to(.float32)
    if options.repetitionPenalty != 1, !seen.isEmpty {
      let ids = try Tensor(seen.filter { $0 < scores.count }.sorted(), on: scores.device)
      let old = try scores.gathered(0, ids)
      let penalty = options.repetitionPenalty
      let penalised = try (old * penalty).selected(where: old.isLess(than: old * 0), else: old / penalty)
      scores = try scores.scattered(0, ids, penalised)
    }
    guard try scores.max().item().isFinite else { return nil }
    let token = options.temperature == 0 ? Int(try scores.argmax().item()) : try draw(scores / options.temperature)
    if options.repetitionPenalty != 1 { seen.insert(token) }
    return token
  }

  private func draw(_ scores: Tensor) throws -> Int {
    let kept = options.topK > 0 ? min(options.topK, scores.count) : scores.count
    var (values, indices) = try scores.top(kept)
    if options.topP < 1 {
      let probabilities = try values.softmax()
      // A token stays while the probabilities before it add up to less than p, so the first one always does.
      let before = try probabilities.cumulativeSum() - probabilities
      let excluded = try before.isAtLeast(Tensor.full([1], options.topP, on: scores.device))
      values = try values.filled(where: excluded, with: -.infinity)
    }
    let chosen = try values.softmax().multinomial(1, generator: generator)
    return Int(try indices.gathered(0, chosen).item())
  }
}
