import LLaVA

/// Rows of a prompt, and what reading them costs.
struct PromptRows {
  /// All, at the decoder's first layer.
  let count: Int
  /// Those behind the last picture.
  let tail: Int
  /// What one of the tail and one of the others cost, in rows that all layers see.
  ///
  /// Where the choice of tokens looks at the question, what is left of a picture is read again with each question.
  private let tailShare: Double
  private let headShare: Double

  init(_ job: Job, _ model: LLaVAModel) {
    let layouts = model.layouts(of: job.pictures.map(\.pixels))
    let text = job.ids.count - job.pictures.count
    var visual = [Int](repeating: layouts.tokens, count: model.configuration.text.layers)
    // A plan that does not fit fails in the scheduler, with its reason.
    if !job.pictures.isEmpty, let stages = try? model.resolve(job.options.compression, [layouts]) {
      visual = visual.indices.map { stages.tokens(inLayer: $0, of: layouts) ?? layouts.tokens }
    }
    let before = visual.first ?? 0
    count = text + before
    tail = job.prefixKey().map { job.ids.count - $0.ids } ?? count
    func average(_ rows: [Int]) -> Double { Double(rows.reduce(0, +)) / Double(max(1, visual.count)) }
    let again = job.options.compression?.readsPrompt ?? false ? average(visual.filter { $0 < before }) : 0
    tailShare = tail > 0 ? 1 + again / Double(tail) : 1
    headShare = count > tail ? (average(visual) - again + Double(text - tail)) / Double(count - tail) : 1
  }

  /// What the last rows cost, in rows that all layers see.
  func cost(ofLast unread: Int) -> Double {
    Double(min(unread, tail)) * tailShare + Double(max(0, unread - tail)) * headShare
  }

  /// How much of that one more row is.
  func share(ofLast unread: Int) -> Double { unread > tail ? headShare : tailShare }
}
