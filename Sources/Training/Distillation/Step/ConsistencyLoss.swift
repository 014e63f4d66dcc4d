import Language
import Synchronization
import Torch

/// (1 − λ) · CE(student) + λ · KL(teacher ‖ student) over rows of final hidden states, without all their logits ever existing.
///
/// Rows pass in chunks. Each chunk's logits give their part of the loss and, at once, of its gradient with respect to hidden states and
/// output layer; the backward pass only scales what is there. Logits are computed in the model's dtype and all after them in float32.
struct ConsistencyLoss {
  let options: DistillationOptions
  /// The output layer, [vocabulary, hiddenSize].
  let head: Tensor
  /// What each row is to predict, `ignoredLabel` for nothing, and whether it is compared with the teacher.
  let targets: [Int], diverges: [Bool]
  /// What the sums of both terms are divided by.
  let crossEntropyCount, divergenceCount: Int

  struct Result {
    let total, crossEntropySum, divergenceSum: Tensor
    let gradientNorms: DistillationLoss.GradientNorms?
  }

  /// - Parameters:
  ///   - student: [rows, hiddenSize] after the final norm.
  ///   - teacher: the same for the first of the rows; the teacher of the others is the student itself, their divergence 0.
  func callAsFunction(_ student: Tensor, _ teacher: Tensor?) throws -> Result {
    let needsGradient = recordsGradients && (student.requiresGradient || head.requiresGradient)
    var sums = try withoutGradient { try Sums(self, student, teacher, needsGradient) }
    let ce = try sums.crossEntropy * (crossEntropyWeight / Double(max(1, crossEntropyCount)))
    let kl = try sums.divergence * (divergenceWeight / Double(max(1, divergenceCount)))
    let ready = OneTime(try sums.takeGradients())
    let total = try withGradient(of: [ce + kl], for: [student, head]) { seeds in
      guard let seed = seeds[0] else { return [nil, nil] }
      return try ready.take().map { gradient in
        // Asked on the CPU alone, where it saves a pass over a matrix as large as the output layer.
        if seed.device == .cpu, try seed.item() == 1 { return gradient }
        return try gradient?.multiplyInPlace(by: seed.to(gradient?.dtype ?? .float32))
      }
    }
    return Result(
      total: total[0], crossEntropySum: sums.crossEntropy, divergenceSum: sums.divergence,
      gradientNorms: options.measuresGradients ? try sums.norms() : nil)
  }

  private var crossEntropyWeight: Double { 1 - options.divergenceWeight }
  /// λ, with τ² where it is asked for.
  private var divergenceWeight: Double {
    options.divergenceWeight * (options.scalesByTemperature ? options.temperature * options.temperature : 1)
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

extension ConsistencyLoss {
  /// What chunk after chunk adds to.
  private struct Sums {
    let loss: ConsistencyLoss
    let head: Tensor
    let needsGradient: Bool
    var crossEntropy, divergence: Tensor
    var hiddenGradients: [Tensor] = []
    var headGradient: Tensor?
    var squares: (crossEntropy: Tensor, divergence: Tensor)

    init(_ loss: ConsistencyLoss, _ student: Tensor, _ teacher: Tensor?, _ needsGradient: Bool) throws {
      self.loss = loss
      self.needsGradient = needsGradient
      // Without bfloat16 arithmetic products are faster in float32; the matrix is widened once for all chunks.
      let widens = loss.head.device == .cpu && loss.head.dtype == .bfloat16 && !Runtime.hasNativeBFloat16
      head = widens ? try loss.head.to(.float32) : loss.head
      let zero = try Tensor.zeros([], on: student.device)
      (crossEntropy, divergence, squares) = (zero, zero, (zero, zero))
      let (rows, compared) = (student.size(0), teacher?.size(0) ?? 0)
      // Chunks end where the rows with a teacher do.
      for (range, teacher) in [(0..<compared, teacher), (compared..<rows, nil)] {
        for first in stride(from: range.lowerBound, to: range.upperBound, by: loss.options.chunkRows) {
          let chunk = first..<min(first + loss.options.chunkRows, range.upperBound)
          try add(chunk, student, teacher)
        }
      }
    }

    private mutating func add(_ chunk: Range<Int>, _ student: Tensor, _ teacher: Tensor?) throws {
      let options = loss.options
      func logits(_ rows: Tensor) throws -> Tensor { try rows.linear(head).to(.float32) }
      func column(_ values: [Double]) throws -> Tensor {
        try Tensor(values.map(Float.init), [values.count, 1], on: student.device)
      }
      let hidden = try student.narrow(0, from: chunk.lowerBound, length: chunk.count).to(head.dtype)
      let predicts = loss.targets[chunk].map { $0 == ignoredLabel ? 0.0 : 1 }
      let targets = try Tensor(loss.targets[chunk].map { max(0, $0) }, [chunk.count, 1], on: student.device)
      let own = try logits(hidden)
      let logs = try own.logSoftmax()
      crossEntropy = try crossEntropy - (logs.gathered(1, targets) * column(predicts)).sum()
      // The gradients of both terms with respect to their logarithms of probabilities: -w at the target, -w · q everywhere.
      let weight = loss.crossEntropyWeight / Double(max(1, loss.crossEntropyCount))
      let atTargets = try column(predicts.map { -$0 * weight })
      guard let teacher else {
        guard needsGradient else { return }
        let gradient = try Tensor.zeros(logs.shape, on: logs.device).scatterAddInPlace(1, targets, atTargets)
        return try add(gradients: (gradient.throughLogSoftmax(logs), nil), hidden)
      }
      let other = try logits(teacher.narrow(0, from: chunk.lowerBound, length: chunk.count).to(head.dtype))
      let temperature = options.temperature
      let cooled = temperature == 1 ? logs : try (own * (1 / temperature)).logSoftmax()
      let otherLogs = try (temperature == 1 ? other : other * (1 / temperature)).logSoftmax()
      let diverges = loss.diverges[chunk].map { $0 ? 1.0 : 0 }
      let expected = try otherLogs.exp()
      divergence = try divergence + ((expected * (otherLogs - cooled)).sum(-1, keepingDimension: true) * column(diverges)).sum()
      guard needsGradient else { return }
      let share = loss.divergenceWeight / (Double(max(1, loss.divergenceCount)) * temperature)
      let everywhere = try expected.multiplyInPlace(by: column(diverges.map { -$0 * share }))
      if temperature == 1, !options.measuresGradients {
        // Both go through the same softmax.
        return try add(gradients: (everywhere.scatterAddInPlace(1, targets, atTargets).throughLogSoftmax(logs), nil), hidden)
      }
      let gradient = try Tensor.zeros(logs.shape, on: logs.device).scatterAddInPlace(1, targets, atTargets)
      try add(gradients: (gradient.throughLogSoftmax(logs), everywhere.throughLogSoftmax(cooled)), hidden)
    }

    /// Takes gradients [rows, vocabulary] of one or both terms with respect to logits on to hidden states and output layer.
    private mutating func add(gradients: (crossEntropy: Tensor, divergence: Tensor?), _ hidden: Tensor) throws {
      if loss.options.measuresGradients {
        func square(_ gradient: Tensor) throws -> Tensor {
          try gradient.to(head.dtype).matmul(head).to(.float32).power(2).sum()
        }
        squares.crossEntropy = try squares.crossEntropy + square(gradients.crossEntropy)
        if let divergence = gradients.divergence { squares.divergence = try squares.divergence + square(divergence) }
      }
      if let divergence = gradients.divergence { try gradients.crossEntropy.addInPlace(divergence) }
      let gradient = try gradients.crossEntropy.to(head.dtype)
      hiddenGradients.append(try gradient.matmul(head).to(loss.head.dtype))
      guard loss.head.requiresGradient else { return }
      if let headGradient {
        try headGradient.addProductInPlace(gradient.transposed(0, 1), hidden)
      } else {
        headGradient = try gradient.transposed(0, 1).matmul(hidden)
      }
    }

    /// Gradients of hidden states and output layer, and no reference to them left behind.
    mutating func takeGradients() throws -> [Tensor?] {
      defer { (hiddenGradients, headGradient) = ([], nil) }
      return [hiddenGradients.isEmpty ? nil : try concatenate(hiddenGradients), try headGradient?.to(loss.head.dtype)]
    }

    func norms() throws -> DistillationLoss.GradientNorms {
      DistillationLoss.GradientNorms(
        crossEntropy: try squares.crossEntropy.power(0.5), divergence: try squares.divergence.power(0.5))
    }
  }
}
