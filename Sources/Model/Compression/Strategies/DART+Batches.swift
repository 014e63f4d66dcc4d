import Torch

/// DART for many images at once: a GPU chooses for one image faster than its kernels can be started, so that image by image the host is
/// what takes the time.
extension DART {
  /// What images must have in common to be chosen for together.
  private struct Shape: Hashable {
    let count, tokens, textPivots: Int
  }

  /// Together where a GPU has rows of the whole batch, else one after the other.
  public func keep(_ choices: [TokenChoice]) throws -> [Tensor] {
    if let first = choices.first, first.tokens.device != .cpu, choices.count > 1, let batch = first.tokens.sample.batch,
      choices.allSatisfy({ $0.tokens.sample.batch === batch })
    {
      return try keep(choices, in: batch)
    }
    return try choices.map { try keep($0.count, of: $0.tokens, generator: $0.generator) }
  }

  /// Together; samples are all of one batch.
  func keep(_ choices: [TokenChoice], in batch: BatchRows) throws -> [Tensor] {
    if case .given = order { return try choices.map { try keep($0.count, of: $0.tokens, generator: $0.generator) } }
    let texts = choices.map { $0.tokens.textRows(semantics) }
    let groups = Dictionary(grouping: choices.indices) { index in
      Shape(
        count: choices[index].count, tokens: choices[index].tokens.count, textPivots: min(textPivots, texts[index].count))
    }
    var found: [Int: Tensor] = [:]
    for (shape, members) in groups {
      let kept = try together(members.map { (choices[$0].tokens, texts[$0]) }, shape, batch)
      for (row, member) in members.enumerated() { found[member] = try kept.selected(0, row) }
    }
    return choices.indices.compactMap { found[$0] }
  }

  /// [images, count] indices into images of one shape, `text` the rows of each one's sample that can be pivots.
  private func together(
    _ images: [(tokens: VisualTokens, text: [Int])], _ shape: Shape, _ batch: BatchRows
  ) throws -> Tensor {
    let device = batch.hidden.device
    let candidates = images.map(\.text.count).max() ?? 0
    // Rows of the batch: where each image begins, then its candidates; missing ones are the image's first row and are never chosen.
    var rows: [Int] = []
    var missing: [Float] = []
    for (tokens, text) in images {
      let start = tokens.sample.start
      rows.append(start + tokens.span.lowerBound)
      rows += text.map { start + $0 }
      rows += Array(repeating: start + tokens.span.lowerBound, count: candidates - text.count)
      missing += text.map { _ in 0 } + Array(repeating: -.infinity, count: candidates - text.count)
    }
    let places = try Tensor(rows, [images.count, 1 + candidates], on: device)
    let starts = try places.narrow(1, from: 0, length: 1)
    let imageRows = try starts + Tensor.arange(0, shape.tokens, on: device).unsqueezed(0)

    func norms(_ rows: Tensor) throws -> Tensor { try batch.keyNorms().rows(rows.reshaped([-1])).reshaped(rows.shape) }
    let image = try norms(imageRows).top(min(imagePivots, shape.count)).indices
    if shape.count == image.size(1) { return image }
    var pivots = try image + starts
    if shape.textPivots > 0 {
      let textRows = try places.narrow(1, from: 1, length: candidates)
      var textNorms = try norms(textRows)
      if missing.contains(where: { $0 != 0 }) {
        textNorms = try textNorms + Tensor(missing, [images.count, candidates], on: device)
      }
      pivots = try concatenate([pivots, textRows.gathered(1, textNorms.top(shape.textPivots).indices)], 1)
    }
    if order == .ascending { pivots = try pivots.sorted().values }

    func units(_ rows: Tensor) throws -> Tensor {
      try unit(batch.normalized(rows.reshaped([-1]))).reshaped(rows.shape + [batch.hidden.size(1)])
    }
    let similarities = try units(pivots).matmul(units(imageRows).transposed(1, 2))
    return try concatenate([image, take(shape.count - image.size(1), similarities, taken: image)], 1)
  }
}
