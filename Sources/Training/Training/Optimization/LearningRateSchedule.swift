import Foundation

/// The factor by which every learning rate is multiplied at each optimizer step.
///
/// Follows `get_cosine_schedule_with_warmup` and its relatives in `transformers`, where the schedule advances after the optimizer:
/// with a warm-up, the first step has learning rate 0.
public struct LearningRateSchedule: Sendable, Equatable {
  /// How the rate falls after the warm-up.
  public enum Shape: String, Sendable, CaseIterable {
    /// Half a cosine, from 1 to 0.
    case cosine
    /// A straight line, from 1 to 0.
    case linear
    /// Not at all.
    case constant
    /// Not at all until the last part of training, then in a straight line to 0 ("warmup, stable, decay").
    case constantDecay = "constant-decay"
  }

  /// How the rate falls after the warm-up.
  public let shape: Shape
  /// Optimizer steps of the whole training.
  public let steps: Int
  /// Steps during which the rate rises in a straight line from 0.
  public let warmupSteps: Int
  /// Steps at the end during which `constantDecay` falls.
  public let decaySteps: Int

  /// A schedule whose warm-up takes ceil(warmupRatio · steps) steps, and whose decay, where it has one,
  /// ceil(decayRatio · steps) or what the warm-up leaves.
  ///
  /// - Throws: `OptimizationError.invalidOptions` for fewer than 0 steps, and for ratios outside 0...1.
  public init(_ shape: Shape, steps: Int, warmupRatio: Double, decayRatio: Double = 0.2) throws {
    var problems: [OptimizationError.Problem] = []
    if steps < 0 { problems.append(.init("steps", "is \(steps), expected 0 or more")) }
    for (name, ratio) in [("warmup-ratio", warmupRatio), ("decay-ratio", decayRatio)] where !(0...1).contains(ratio) {
      problems.append(.init(name, "is \(ratio), expected a fraction of training within 0...1"))
    }
    if !problems.isEmpty { throw OptimizationError.invalidOptions(problems) }
    self.shape = shape
    self.steps = steps
    warmupSteps = Int((Double(steps) * warmupRatio).rounded(.up))
    decaySteps = min(max(0, steps - warmupSteps), Int((Double(steps) * decayRatio).rounded(.up)))
  }

  /// The factor for the update that follows `step` completed ones, 0...1; from the last step on it stays where it ended.
  public func factor(at step: Int) -> Double {
    if step < warmupSteps { return Double(max(0, step)) / Double(max(1, warmupSteps)) }
    let rest = Double(max(1, steps - warmupSteps))
    let progress = min(1, Double(step - warmupSteps) / rest)
    switch shape {
    case .cosine: return max(0, 0.5 * (1 + cos(Double.pi * progress)))
    case .linear: return max(0, Double(steps - step) / rest)
    case .constant: return 1
    case .constantDecay: return min(1, max(0, Double(steps - step) / Double(max(1, decaySteps))))
    }
  }
}
