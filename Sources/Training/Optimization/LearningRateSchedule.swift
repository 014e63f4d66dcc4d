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
  }

  /// How the rate falls after the warm-up.
  public let shape: Shape
  /// Optimizer steps of the whole training.
  public let steps: Int
  /// Steps during which the rate rises in a straight line from 0.
  public let warmupSteps: Int

  /// A schedule whose warm-up takes ceil(warmupRatio · steps) steps.
  ///
  /// - Throws: `OptimizationError.invalidOptions` for fewer than 0 steps, and for a ratio outside 0...1.
  public init(_ shape: Shape, steps: Int, warmupRatio: Double) throws {
    var problems: [OptimizationError.Problem] = []
    if steps < 0 { problems.append(.init("steps", "is \(steps), expected 0 or more")) }
    if !(0...1).contains(warmupRatio) {
      problems.append(.init("warmup-ratio", "is \(warmupRatio), expected a fraction of training within 0...1"))
    }
    if !problems.isEmpty { throw OptimizationError.invalidOptions(problems) }
    self.shape = shape
    self.steps = steps
    warmupSteps = Int((Double(steps) * warmupRatio).rounded(.up))
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
    }
  }
}
