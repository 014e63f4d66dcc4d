import Compression
import LLaVA
import Language
import Synchronization
import Torch

/// Σ of weighted cross entropies and divergences of students from their targets, over rows of hidden states, without all their logits
/// ever existing.
///
/// Rows pass in chunks, each of all students and the teacher. A chunk's logits give their part of the loss and, at once, of its gradient
/// with respect to hidden states and output layer; the backward pass only scales what is there. Logits are computed in the model's
/// dtype and all after them in float32.
struct ConsistencyLoss {
  /// From hidden states to logits.
  struct Output {
    let norm: (Tensor) throws -> Tensor
    /// [vocabulary, hiddenSize].
    let head: Tensor

    init(norm: @escaping (Tensor) throws -> Tensor, head: Tensor) { (self.norm, self.head) = (norm, head) }
    /// That of a model; a quantized output layer is made dense, once where `other` is the same.
    init(_ model: LLaVAModel, sharing other: (model: LLaVAModel, output: Output)? = nil) throws {
      var head: Tensor?
      if case .quantized(let own) = model.decoder.head, case .quantized(let same)? = other?.model.decoder.head,
        own.codes === same.codes
      {
        head = other?.output.head
      }
      self.init(norm: { [norm = model.decoder.norm] in try norm($0) }, head: try head ?? model.decoder.head.dense())
    }
  }

  /// One student's view of the rows.
  struct View {
    /// [rows, hiddenSize] before the final norm.
    let hidden: Tensor
    let crossEntropyWeight: Double
    let recordsGradients: Bool
    var pulls: [Target] = []
  }

  /// What a view is compared with, and in which rows; in the others the divergence is 0.
  struct Target {
    let source: Pull.Target
    let weight: Double
    let compares: [Bool]
  }

  let options: DistillationOptions
  /// The students'.
  let output: Output
  /// What each row is to predict, `ignoredLabel` for nothing.
  let targets: [Int]
  /// What the sums of both terms are divided by.
  let crossEntropyCount, divergenceCount: Int
  var views: [View] = []
  /// The teacher's hidden states of the first of the rows, and where its logits come from; no view is compared with it in the others.
  var teacher: (hidden: Tensor, output: Output)?

  func callAsFunction(
    supervisedTokens: Int, divergencePositions: Int, teacherSamples: Int, shape: StepShape, checks: [ChoiceCheck]
  ) throws -> DistillationLoss {
    let students = try views.map { try output.norm($0.hidden) }
    let records = zip(students, views).map { student, view in
      recordsGradients && view.recordsGradients && (student.requiresGradient || output.head.requiresGradient)
    }
    var sums = try withoutGradient {
      let taught = try teacher.map { (try $0.output.norm($0.hidden), $0.output.head) }
      var sums = try LossSums(self, students, taught, records)
      try sums.addAll()
      return sums
    }
    let values = try withoutGradient {
      try zip(views, sums.terms).map { view, terms in
        let own = try terms.crossEntropySum * (view.crossEntropyWeight / Double(max(1, crossEntropyCount)))
        return try zip(view.pulls, terms.divergenceSums).reduce(own) { try $0 + $1.1 * factor($1.0) }
      }
    }
    let sum = try values.dropFirst().reduce(values[0]) { try $0 + $1 }
    let ready = OneTime(try sums.takeGradients())
    let total = try withGradient(of: [sum], for: students + [output.head]) { [count = students.count] seeds in
      guard let seed = seeds[0] else { return Array(repeating: nil, count: count + 1) }
      return try ready.take().map { gradient in
        // Asked on the CPU alone, where it saves a pass over a matrix as large as the output layer.
        if seed.device == .cpu, try seed.item() == 1 { return gradient }
        return try gradient?.multiplyInPlace(by: seed.to(gradient?.dtype ?? .float32))
      }
    }
    return DistillationLoss(
      total: total[0], students: sums.terms, supervisedTokens: supervisedTokens, divergencePositions: divergencePositions,
      teacherSamples: teacherSamples, gradientNorms: options.measuresGradients ? try sums.norms() : nil, shape: shape,
      checks: checks)
  }

  /// What the sum of a divergence is multiplied by in the loss, τ² included where it is asked for.
  func factor(_ target: Target) -> Double {
    let scales = options.scalesByTemperature && options.divergence != .hidden
    return target.weight * (scales ? options.temperature * options.temperature : 1) / Double(max(1, divergenceCount))
  }

  /// Where chunks begin and end: within the rows that the teacher has, within those that are compared with something, and the rest.
  var chunks: [Range<Int>] {
    let rows = targets.count
    let compared = views.flatMap(\.pulls).compactMap { $0.compares.lastIndex(of: true).map { $0 + 1 } }.max() ?? 0
    let taught = min(compared, teacher?.hidden.size(0) ?? 0)
    // As many logits at one time as a student and a teacher have.
    let sides = views.count + (teacher == nil ? 0 : 1)
    let size = max(1, min(rows, sides <= 2 ? options.chunkRows : options.chunkRows / sides * 2))
    return [0..<taught, taught..<compared, compared..<rows].flatMap { part in
      stride(from: part.lowerBound, to: part.upperBound, by: size).map { $0..<min($0 + size, part.upperBound) }
    }
  }
}

/// Gradients that are handed out once, so that whoever receives them holds the only reference and need not copy.
private final class OneTime: Sendable {
  private let value: Mutex<[Tensor?]?>
  init(_ value: [Tensor?]) { self.value = Mutex(value) }

  func take() throws -> [Tensor?] {
    let found = value.withLock { value in
      defer { value = nil }
      return value
    }
    guard let found else {
      throw TorchError.operatorFailed(name: "loss", message: "its gradient was taken already; compute the loss again")
    }
    return found
  }
}
