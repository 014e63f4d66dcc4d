import Torch

/// How far a student is from its target at a position.
public enum Divergence: String, Sendable, CaseIterable {
  /// KL(target ‖ student): the student covers all that the target thinks possible.
  case forward
  /// KL(student ‖ target): the student keeps to what the target thinks likely.
  case reverse
  /// ½ KL(target ‖ m) + ½ KL(student ‖ m) with m their mean, at most log 2.
  case jensenShannon = "jensen-shannon"
  /// 1 − cosine of the final hidden states, after the last norm; no distribution is looked at.
  case hidden
}

/// How much each position counts in a divergence.
public enum DivergenceGuidance: String, Sendable, CaseIterable {
  /// All the same.
  case all
  /// Only those where the target's likeliest token is the label.
  case right
  /// By the probability that the target gives to its likeliest token.
  case confidence
}

extension Divergence {
  /// The divergence at each row [rows, 1], and its gradient with respect to the student's logarithms of probabilities, up to what
  /// vanishes on the way through their softmax.
  ///
  /// - Parameters:
  ///   - logs: the student's logarithms of probabilities, [rows, vocabulary] float32.
  ///   - target: the target's.
  ///   - needsGradient: false leaves the gradient out.
  func callAsFunction(_ logs: Tensor, _ target: Tensor, needsGradient: Bool) throws -> (values: Tensor, gradient: Tensor?) {
    func total(_ t: Tensor) throws -> Tensor { try t.sum(-1, keepingDimension: true) }
    switch self {
    case .forward:
      let expected = try target.exp()
      let values = try total(expected * (target - logs))
      return (values, needsGradient ? try expected.multiplyInPlace(by: -1) : nil)
    case .reverse:
      let own = try logs.exp()
      let gradient = try own * (logs - target)
      return (try total(gradient), needsGradient ? gradient : nil)
    case .jensenShannon:
      let middle = try logs.logAddExp(target).addInPlace(Self.logOfHalf(logs))
      let own = try (logs.exp() * (logs - middle)).multiplyInPlace(by: 0.5)
      let values = try total(own) + total(target.exp() * (target - middle)) * 0.5
      // What m contributes cancels: the gradient is p · ½ log(p / m).
      return (values, needsGradient ? own : nil)
    case .hidden:
      throw TorchError.operatorFailed(name: "divergence", message: "hidden states have no logarithms of probabilities")
    }
  }

  private static func logOfHalf(_ like: Tensor) throws -> Tensor { try .full([], -0.693_147_180_559_945_3, on: like.device) }

  /// 1 − cosine at each row [rows, 1], and its gradient with respect to the student's rows: −(b − (a · b) a) / ‖h‖ with a and b the two
  /// unit vectors.
  ///
  /// - Parameters:
  ///   - rows: the student's hidden states, [rows, hiddenSize] float32.
  ///   - target: unit vectors, the same shape.
  static func cosine(_ rows: Tensor, _ target: Tensor, needsGradient: Bool) throws -> (values: Tensor, gradient: Tensor?) {
    let norms = try rows.norm(2, -1, keepingDimension: true).clamped(1e-12)
    let unit = try rows / norms
    let cosines = try (unit * target).sum(-1, keepingDimension: true)
    return (try (-cosines) + 1, needsGradient ? try (unit * cosines - target) / norms : nil)
  }
}

extension DivergenceGuidance {
  /// What each row counts, [rows, 1]; nil where all count the same.
  ///
  /// - Parameters:
  ///   - target: the target's logarithms of probabilities, [rows, vocabulary]; at the divergence's temperature.
  ///   - labels: [rows, 1] int64; anything where there is none.
  func weights(_ target: Tensor, _ labels: Tensor) throws -> Tensor? {
    switch self {
    case .all: nil
    case .right: try (target.argmax().unsqueezed(1) - labels).equals(0).to(.float32)
    case .confidence: try target.top(1).values.exp()
    }
  }
}
