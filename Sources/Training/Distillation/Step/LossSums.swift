import Language
import Torch

/// What chunk after chunk of a loss adds to: the terms of each student, and gradients.
struct LossSums {
  private let loss: ConsistencyLoss
  private let students: [Tensor]
  private let teacher: (hidden: Tensor, head: Tensor)?
  private let needsGradient: [Bool]
  private let head: Tensor
  private let zero: Tensor
  /// The terms' sums of each student.
  private(set) var terms: [DistillationLoss.Terms] = []
  private var hiddenGradients: [[Tensor]]
  private var headGradient: Tensor?
  private var squares: (crossEntropy: Tensor, divergence: Tensor)

  /// - Parameters:
  ///   - students: rows of each student after the final norm, [rows, hiddenSize].
  ///   - teacher: the same of the teacher, for the first of the rows, and its output layer.
  init(
    _ loss: ConsistencyLoss, _ students: [Tensor], _ teacher: (hidden: Tensor, head: Tensor)?, _ needsGradient: [Bool]
  ) throws {
    (self.loss, self.students, self.needsGradient) = (loss, students, needsGradient)
    let own = loss.output.head
    let widened = try Self.widened(own)
    head = widened
    self.teacher = try teacher.map { ($0.hidden, $0.head === own ? widened : try Self.widened($0.head)) }
    let zero = try Tensor.zeros([], on: own.device)
    self.zero = zero
    squares = (zero, zero)
    hiddenGradients = students.map { _ in [] }
    terms = loss.views.map { .init(crossEntropySum: zero, divergenceSums: $0.pulls.map { _ in zero }) }
  }

  /// Without bfloat16 arithmetic products are faster in float32; the matrix is widened once for all chunks.
  private static func widened(_ head: Tensor) throws -> Tensor {
    head.device == .cpu && head.dtype == .bfloat16 && !Runtime.hasNativeBFloat16 ? try head.to(.float32) : head
  }

  mutating func addAll() throws { for chunk in loss.chunks { try add(chunk) } }

  // MARK: - A chunk

  /// The rows of one student or of the teacher.
  private struct Side {
    let hidden: Tensor
    /// Logarithms of probabilities, and the same at the divergence's temperature.
    let logs, cooled: Tensor
  }

  private func column(_ values: [Double]) throws -> Tensor {
    try Tensor(values.map(Float.init), [values.count, 1], on: head.device)
  }

  private func side(_ rows: Tensor, _ head: Tensor, _ chunk: Range<Int>, cools: Bool) throws -> Side {
    let hidden = try rows.narrow(0, from: chunk.lowerBound, length: chunk.count).to(head.dtype)
    let logits = try hidden.linear(head).to(.float32)
    let logs = try logits.logSoftmax()
    let temperature = loss.options.temperature
    let cooled = cools && temperature != 1 ? try (logits * (1 / temperature)).logSoftmax() : logs
    return Side(hidden: hidden, logs: logs, cooled: cooled)
  }

  private mutating func add(_ chunk: Range<Int>) throws {
    let pulls = loss.views.map { view in view.pulls.indices.filter { view.pulls[$0].compares[chunk].contains(true) } }
    let isCompared = pulls.contains { !$0.isEmpty }
    let sides = try students.map { try side($0, head, chunk, cools: isCompared) }
    func asks(_ source: Pull.Target) -> Bool {
      zip(loss.views, pulls).contains { view, places in places.contains { view.pulls[$0].source == source } }
    }
    let taught = asks(.teacher) ? try teacher.map { try side($0.hidden, $0.head, chunk, cools: true) } : nil
    let mean = asks(.mean) ? try Self.mean(sides.map(\.cooled)) : nil
    let unit = asks(.mean) && loss.options.divergence == .hidden ? try Self.meanDirection(sides.map(\.hidden)) : nil
    let labels = try Tensor(loss.targets[chunk].map { max(0, $0) }, [chunk.count, 1], on: head.device)
    let predicts = loss.targets[chunk].map { $0 == ignoredLabel ? 0.0 : 1 }
    for (place, side) in sides.enumerated() {
      var gradients = Gradients()
      for pull in pulls[place] {
        let (logs, direction): (Tensor, () throws -> Tensor)
        switch loss.views[place].pulls[pull].source {
        case .teacher:
          guard let taught else { continue }
          (logs, direction) = (taught.cooled, { try Self.direction(taught.hidden) })
        case .student(let other): (logs, direction) = (sides[other].cooled, { try Self.direction(sides[other].hidden) })
        case .mean:
          guard let mean else { continue }
          (logs, direction) = (mean, { try unit ?? Self.direction(side.hidden) })
        }
        try add(place, pull, chunk, side, logs, direction, labels, predicts, &gradients)
      }
      terms[place].crossEntropySum = try terms[place].crossEntropySum - (side.logs.gathered(1, labels) * column(predicts)).sum()
      if needsGradient[place] { try add(place, side, labels, predicts, gradients) }
    }
  }

  /// Gradients of a student's divergences in a chunk: with respect to its cooled logarithms of probabilities, and to its hidden states.
  private struct Gradients {
    var logs, hidden: Tensor?

    mutating func addToLogs(_ gradient: Tensor) throws { logs = try logs?.addInPlace(gradient) ?? gradient }
    mutating func addToHidden(_ gradient: Tensor) throws { hidden = try hidden?.addInPlace(gradient) ?? gradient }
  }

  /// Adds one divergence.
  private mutating func add(
    _ place: Int, _ pull: Int, _ chunk: Range<Int>, _ side: Side, _ target: Tensor, _ direction: () throws -> Tensor,
    _ labels: Tensor, _ predicts: [Double], _ gradients: inout Gradients
  ) throws {
    let (options, own) = (loss.options, loss.views[place].pulls[pull])
    // Where nothing is to be predicted, nothing is right.
    let counts = zip(own.compares[chunk], predicts).map { $0 && (options.guidance != .right || $1 > 0) ? 1.0 : 0 }
    let weights = try options.guidance.weights(target, labels)
    func weighted(_ values: [Double]) throws -> Tensor { try weights.map { try $0 * column(values) } ?? column(values) }
    let needs = needsGradient[place] && own.weight != 0
    let isHidden = options.divergence == .hidden
    let found =
      isHidden
      ? try Divergence.cosine(side.hidden.to(.float32), direction(), needsGradient: needs)
      : try options.divergence(side.cooled, target, needsGradient: needs)
    terms[place].divergenceSums[pull] = try terms[place].divergenceSums[pull] + (found.values * weighted(counts)).sum()
    guard needs, let gradient = found.gradient else { return }
    // With respect to logits the temperature divides once more.
    let share = loss.factor(own) / (isHidden ? 1 : options.temperature)
    let scaled = try gradient.multiplyInPlace(by: weighted(counts.map { $0 * share }))
    try isHidden ? gradients.addToHidden(scaled) : gradients.addToLogs(scaled)
  }

  /// Takes a student's gradients, that of its cross entropy among them, on to hidden states and output layer.
  private mutating func add(
    _ place: Int, _ side: Side, _ labels: Tensor, _ predicts: [Double], _ divergences: Gradients
  ) throws {
    let options = loss.options
    // With respect to logarithms of probabilities: -w at the label.
    let weight = loss.views[place].crossEntropyWeight / Double(max(1, loss.crossEntropyCount))
    let atLabels = try column(predicts.map { -$0 * weight })
    let isOneSoftmax = options.temperature == 1 && !options.measuresGradients
    let start = isOneSoftmax ? divergences.logs : nil
    let logits = try (start ?? Tensor.zeros(side.logs.shape, on: side.logs.device)).scatterAddInPlace(1, labels, atLabels)
      .throughLogSoftmax(side.logs)
    let other = try isOneSoftmax ? nil : divergences.logs?.throughLogSoftmax(side.cooled)
    if options.measuresGradients { try measure(logits, other, divergences.hidden) }
    if let other { try logits.addInPlace(other) }
    let gradient = try logits.to(head.dtype)
    var hidden = try gradient.matmul(head)
    if let own = divergences.hidden { hidden = try hidden + own.to(hidden.dtype) }
    hiddenGradients[place].append(try hidden.to(loss.output.head.dtype))
    guard loss.output.head.requiresGradient else { return }
    if let headGradient {
      try headGradient.addProductInPlace(gradient.transposed(0, 1), side.hidden)
    } else {
      headGradient = try gradient.transposed(0, 1).matmul(side.hidden)
    }
  }

  private mutating func measure(_ crossEntropy: Tensor, _ divergence: Tensor?, _ hidden: Tensor?) throws {
    func atHidden(_ gradient: Tensor) throws -> Tensor { try gradient.to(head.dtype).matmul(head).to(.float32) }
    squares.crossEntropy = try squares.crossEntropy + atHidden(crossEntropy).power(2).sum()
    let parts = try [divergence.map(atHidden), hidden].compactMap(\.self)
    guard let first = parts.first else { return }
    squares.divergence = try squares.divergence + parts.dropFirst().reduce(first) { try $0 + $1 }.power(2).sum()
  }

  // MARK: - Targets

  private static func direction(_ rows: Tensor) throws -> Tensor {
    let rows = try rows.to(.float32)
    return try rows / rows.norm(2, -1, keepingDimension: true).clamped(1e-12)
  }

  /// The direction of the mean of unit vectors.
  private static func meanDirection(_ rows: [Tensor]) throws -> Tensor {
    let units = try rows.map(direction)
    return try direction(units.dropFirst().reduce(units[0]) { try $0 + $1 })
  }

  /// Logarithms of the mean probabilities.
  private static func mean(_ logs: [Tensor]) throws -> Tensor {
    let sum = try logs.dropFirst().reduce(logs[0]) { try $0.logAddExp($1) }
    return try sum + Tensor.full([], 1 / Double(logs.count), on: sum.device).log()
  }

  // MARK: - Results

  /// Gradients of each student's hidden states and of the output layer, and no reference to them left behind.
  mutating func takeGradients() throws -> [Tensor?] {
    defer { (hiddenGradients, headGradient) = (students.map { _ in [] }, nil) }
    return try hiddenGradients.map { $0.isEmpty ? nil : try concatenate($0) } + [headGradient?.to(loss.output.head.dtype)]
  }

  func norms() throws -> DistillationLoss.GradientNorms {
    DistillationLoss.GradientNorms(
      crossEntropy: try squares.crossEntropy.power(0.5), divergence: try squares.divergence.power(0.5))
  }
}
