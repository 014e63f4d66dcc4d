import Compression
import Language
import Synchronization
import Torch

/// Σ of weighted cross entropies and divergences of students from a teacher, over rows of hidden states, without all their logits ever
/// existing.
///
/// Rows pass in chunks. Each chunk's logits give their part of the loss and, at once, of its gradient with respect to hidden states and
/// output layer; the backward pass only scales what is there. Logits are computed in the model's dtype and all after them in float32.
struct ConsistencyLoss {
  /// The rows of one student.
  struct Part {
    /// [rows, hiddenSize] before the final norm.
    let student: Tensor
    /// The same for the first of the rows; the teacher of the others is the student itself, their divergence 0.
    let teacher: Tensor?
    /// What each row is to predict, `ignoredLabel` for nothing, and whether it is compared with the teacher.
    let targets: [Int], diverges: [Bool]
    let crossEntropyWeight, divergenceWeight: Double
    let recordsGradients: Bool
  }

  let options: DistillationOptions
  /// The output layer, [vocabulary, hiddenSize].
  let head: Tensor
  /// The norm before it.
  let norm: (Tensor) throws -> Tensor
  /// What the sums of both terms are divided by.
  let crossEntropyCount, divergenceCount: Int
  var parts: [Part] = []

  func callAsFunction(
    supervisedTokens: Int, divergencePositions: Int, teacherSamples: Int, checks: [ChoiceCheck]
  ) throws -> DistillationLoss {
    let students = try parts.map { try norm($0.student) }
    let records = zip(students, parts).map { student, part in
      recordsGradients && part.recordsGradients && (student.requiresGradient || head.requiresGradient)
    }
    var sums = try withoutGradient {
      var sums = try Sums(self, on: head.device)
      for (index, part) in parts.enumerated() {
        try sums.add(part, students[index], part.teacher.map { try norm($0) }, needsGradient: records[index])
      }
      return sums
    }
    let values = try withoutGradient {
      try zip(parts, sums.terms).map { part, terms in
        try terms.crossEntropy * (part.crossEntropyWeight / Double(max(1, crossEntropyCount)))
          + terms.divergence * (divergenceFactor(part) / Double(max(1, divergenceCount)))
      }
    }
    let sum = try values.dropFirst().reduce(values[0]) { try $0 + $1 }
    let ready = OneTime(try sums.takeGradients())
    let total = try withGradient(of: [sum], for: students + [head]) { [count = students.count] seeds in
      guard let seed = seeds[0] else { return Array(repeating: nil, count: count + 1) }
      return try ready.take().map { gradient in
        // Asked on the CPU alone, where it saves a pass over a matrix as large as the output layer.
        if seed.device == .cpu, try seed.item() == 1 { return gradient }
        return try gradient?.multiplyInPlace(by: seed.to(gradient?.dtype ?? .float32))
      }
    }
    return DistillationLoss(
      total: total[0],
      students: sums.terms.map { DistillationLoss.Terms(crossEntropySum: $0.crossEntropy, divergenceSum: $0.divergence) },
      supervisedTokens: supervisedTokens, divergencePositions: divergencePositions, teacherSamples: teacherSamples,
      gradientNorms: options.measuresGradients ? try sums.norms() : nil, checks: checks)
  }

  /// The weight of a divergence, with τ² where it is asked for.
  private func divergenceFactor(_ part: Part) -> Double {
    part.divergenceWeight * (options.scalesByTemperature ? options.temperature * options.temperature : 1)
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
    private let zero: Tensor
    /// The terms' sums of each part.
    var terms: [(crossEntropy: Tensor, divergence: Tensor)] = []
    private var hiddenGradients: [[Tensor]] = []
    private var headGradient: Tensor?
    private var squares: (crossEntropy: Tensor, divergence: Tensor)

    init(_ loss: ConsistencyLoss, on device: Device) throws {
      self.loss = loss
      // Without bfloat16 arithmetic products are faster in float32; the matrix is widened once for all chunks.
      let widens = device == .cpu && loss.head.dtype == .bfloat16 && !Runtime.hasNativeBFloat16
      head = widens ? try loss.head.to(.float32) : loss.head
      zero = try Tensor.zeros([], on: device)
      squares = (zero, zero)
    }

    /// Adds the rows of a student.
    mutating func add(_ part: Part, _ student: Tensor, _ teacher: Tensor?, needsGradient: Bool) throws {
      terms.append((zero, zero))
      hiddenGradients.append([])
      let (rows, compared) = (student.size(0), teacher?.size(0) ?? 0)
      // Chunks end where the rows with a teacher do.
      for (range, teacher) in [(0..<compared, teacher), (compared..<rows, nil)] {
        for first in stride(from: range.lowerBound, to: range.upperBound, by: loss.options.chunkRows) {
          let chunk = first..<min(first + loss.options.chunkRows, range.upperBound)
          try add(chunk, part, student, teacher, needsGradient)
        }
      }
    }

    private mutating func add(
      _ chunk: Range<Int>, _ part: Part, _ student: Tensor, _ teacher: Tensor?, _ needsGradient: Bool
    ) throws {
      let options = loss.options
      let place = terms.count - 1
      func logits(_ rows: Tensor) throws -> Tensor { try rows.linear(head).to(.float32) }
      func column(_ values: [Double]) throws -> Tensor {
        try Tensor(values.map(Float.init), [values.count, 1], on: student.device)
      }
      let hidden = try student.narrow(0, from: chunk.lowerBound, length: chunk.count).to(head.dtype)
      let predicts = part.targets[chunk].map { $0 == ignoredLabel ? 0.0 : 1 }
      let targets = try Tensor(part.targets[chunk].map { max(0, $0) }, [chunk.count, 1], on: student.device)
      let own = try logits(hidden)
      let logs = try own.logSoftmax()
      terms[place].crossEntropy = try terms[place].crossEntropy - (logs.gathered(1, targets) * column(predicts)).sum()
      // The gradients of both terms with respect to their logarithms of probabilities: -w at the target, -w · q everywhere.
      let weight = part.crossEntropyWeight / Double(max(1, loss.crossEntropyCount))
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
      let diverges = part.diverges[chunk].map { $0 ? 1.0 : 0 }
      let expected = try otherLogs.exp()
      terms[place].divergence =
        try terms[place].divergence + ((expected * (otherLogs - cooled)).sum(-1, keepingDimension: true) * column(diverges)).sum()
      guard needsGradient else { return }
      let share = loss.divergenceFactor(part) / (Double(max(1, loss.divergenceCount)) * temperature)
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
      hiddenGradients[hiddenGradients.count - 1].append(try gradient.matmul(head).to(loss.head.dtype))
      guard loss.head.requiresGradient else { return }
      if let headGradient {
        try headGradient.addProductInPlace(gradient.transposed(0, 1), hidden)
      } else {
        headGradient = try gradient.transposed(0, 1).matmul(hidden)
      }
    }

    /// Gradients of each part's hidden states and of the output layer, and no reference to them left behind.
    mutating func takeGradients() throws -> [Tensor?] {
      defer { (hiddenGradients, headGradient) = ([], nil) }
      return try hiddenGradients.map { $0.isEmpty ? nil : try concatenate($0) } + [headGradient?.to(loss.head.dtype)]
    }

    func norms() throws -> DistillationLoss.GradientNorms {
      DistillationLoss.GradientNorms(
        crossEntropy: try squares.crossEntropy.power(0.5), divergence: try squares.divergence.power(0.5))
    }
  }
}
